from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.boxes import BOXES, FILE_KINDS, Box, file_box, server_box
from support.entra import Entra
from support.exchanges import ExchangeBox
from support.graph_boxes import GraphBox
from support.graph_double import GraphDouble


@pytest.fixture(scope="session")
def graph_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphDouble]:
    """One double for all tests of the session."""
    with Entra(tmp_path_factory.mktemp("entra")) as entra, GraphDouble(entra) as double:
        yield double


@pytest.fixture
def graph(graph_service: GraphDouble) -> Iterator[GraphDouble]:
    """The double without mailboxes and without errors; the source may ask nothing unknown of it."""
    graph_service.calm()
    yield graph_service
    assert graph_service.unknown == [], "a request that no public page describes"


@pytest.fixture(params=BOXES)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    """An empty mailbox, of every kind in turn."""
    made: Box
    if request.param in FILE_KINDS:
        made = file_box(request.param, tmp_path)
    elif request.param == "ews":
        made = ExchangeBox(tmp_path / "work")
    elif request.param == "graph":
        made = GraphBox(request.getfixturevalue("graph"), tmp_path / "work")
    else:
        made = server_box(request.getfixturevalue("dovecot"), request.param, tmp_path / "work")
    yield made
    made.close()
