"""A score as one page of HTML: the answer in words, intervals, ceilings, tests, pictures, and how to repeat it."""

from .page import check_report as check_report
from .page import write_report as write_report
from .time import write_time_report as write_time_report
