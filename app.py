"""The WSGI object; run as a program (`python3 app.py`), it installs what is missing and starts everything."""

if __name__ == "__main__":
    from restock.local.firstrun import main

    raise SystemExit(main())
from restock.web.app import create_wsgi_app

app = create_wsgi_app()
