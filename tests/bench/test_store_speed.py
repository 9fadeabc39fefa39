from app.bench import store_load, store_speed
from app.bench.speed_report import render
from app.bench.store_speed import BARE, OURS, PEER, measure


def test_every_writer_is_measured_on_both_databases_and_leaves_nothing(postgres, monkeypatch):
    monkeypatch.setattr(store_speed, "CAMERAS", 2)
    monkeypatch.setattr(store_load, "CAMERAS", 2)
    monkeypatch.setattr(store_speed, "WRITES", 1)
    address = postgres.make("bench")
    section = measure(True, address, lambda _line: None)
    for kind in ("SQLite", "PostgreSQL"):
        rates = section.facts[kind]["rows_per_s"]
        assert list(rates) == [OURS, BARE, PEER]
        assert min(rates.values()) > 0.0
    core = section.facts["SQLite"]["core"]
    assert list(core) == ["core", "core, 10 zones"]
    assert 0.0 < core["core"] < core["core, 10 zones"] < 1.0
    assert postgres.ask("bench", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
    assert len(section.tables) == 2
    assert render(section).renderables
