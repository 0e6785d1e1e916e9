# Shorthands; `python3 app.py` and `python3 app.py test` need none of them.
.PHONY: run demo test lint format

run:
	python3 app.py

demo:
	python3 app.py demo

test:
	python3 app.py test

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

format:
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
