"""The contract that is shipped for plug-ins, held by our own searchers on a plain and on a conditional space."""

from typing import ClassVar

import pytest
from tgsage.plugins import (
    EvolutionSearcher,
    LEMONADESearcher,
    NASHSearcher,
    PNASSearcher,
    RandomSearcher,
    RLSearcher,
    TPESearcher,
)
from tgsage.plugins.testing import SearcherContract


class TestRandom(SearcherContract):
    searcher = RandomSearcher


@pytest.mark.slow
class TestTPE(SearcherContract):
    searcher = TPESearcher
    settings: ClassVar = {"startup": 8}


@pytest.mark.slow
class TestRL(SearcherContract):
    searcher = RLSearcher
    settings: ClassVar = {"learning_rate": 0.05}


class TestEvolution(SearcherContract):
    searcher = EvolutionSearcher
    settings: ClassVar = {"population": 6, "tournament": 3}


class TestTPEWithConditions(SearcherContract):
    searcher = TPESearcher
    settings = TestTPE.settings
    space = "conditional"


class TestRLWithConditions(SearcherContract):
    searcher = RLSearcher
    settings = TestRL.settings
    space = "conditional"


class TestEvolutionWithConditions(TestEvolution):
    space = "conditional"


class TestNASH(SearcherContract):
    searcher = NASHSearcher
    settings: ClassVar = {"startup": 5, "children": 4}


class TestNASHWithConditions(TestNASH):
    space = "conditional"


class TestLEMONADE(SearcherContract):
    searcher = LEMONADESearcher
    settings: ClassVar = {"startup": 5, "children": 2}


class TestLEMONADEWithConditions(TestLEMONADE):
    space = "conditional"


class TestPNAS(SearcherContract):
    searcher = PNASSearcher
    settings: ClassVar = {"top": 5, "draws": 30}


class TestPNASWithConditions(TestPNAS):
    space = "conditional"
