"""The contract that is shipped for plug-ins, held by our own searchers on a plain and on a conditional space."""

from typing import ClassVar

from tgsage.plugins import EvolutionSearcher, RandomSearcher, RLSearcher, TPESearcher
from tgsage.plugins.testing import SearcherContract


class TestRandom(SearcherContract):
    searcher = RandomSearcher


class TestTPE(SearcherContract):
    searcher = TPESearcher
    settings: ClassVar = {"startup": 8}


class TestRL(SearcherContract):
    searcher = RLSearcher
    settings: ClassVar = {"learning_rate": 0.05}


class TestEvolution(SearcherContract):
    searcher = EvolutionSearcher
    settings: ClassVar = {"population": 6, "tournament": 3}


class TestTPEWithConditions(TestTPE):
    space = "conditional"


class TestRLWithConditions(TestRL):
    space = "conditional"


class TestEvolutionWithConditions(TestEvolution):
    space = "conditional"
