"""Opens pages in a browser, at the width of a desktop and of a phone, and notes what is wrong with them."""

import os

from playwright.sync_api import sync_playwright

WIDTHS = {"desktop": 1280, "phone": 390}
faults = []


def expect(what, shown, known):
    """Note a fault where the page shows something else than its source says."""
    if str(shown) != str(known):
        faults.append(f"{what}: the page shows {shown!r}, its source says {known!r}")


def field(tab, row, name, exact=True):
    """A field of a row: its exact value, or its text."""
    cell = tab.query_selector(f"{row} [data-field={name}]")
    if cell is None:
        return None
    return cell.get_attribute("data-value") if exact else cell.inner_text().strip()


class Browser:
    """A browser that notes what goes wrong on a page, and photographs it. `base` stands before every path."""

    def __init__(self, chromium, base, screenshots):
        self.chromium, self.base, self.screenshots = chromium, base, screenshots

    def __enter__(self):
        self.playwright = sync_playwright().start()
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.browser = self.playwright.chromium.launch(executable_path=self.chromium, args=arguments)
        return self

    def __exit__(self, *_):
        self.browser.close()
        self.playwright.stop()

    def open(self, path, name, status=200, scheme="light", look=None):
        """Open a page at every width; call `look` with the document at the first. A file has no `status`: None."""
        for width_name, width in WIDTHS.items():
            where = f"{path} at {width} px, {scheme}"
            context = self.browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            tab = context.new_page()
            # The status of the page itself is compared below; Chromium reports it in the console as well.
            tab.on("console", lambda message: self.note(message, where, status))
            tab.on("pageerror", lambda error: faults.append(f"{where}: {error}"))
            tab.on("requestfailed", lambda request: faults.append(f"{where}: {request.url} failed"))
            answered = tab.goto(f"{self.base}{path}", wait_until="networkidle")
            if status is not None:
                expect(f"{where}: status", answered.status, status)
            wide, room = tab.evaluate("[document.scrollingElement.scrollWidth, window.innerWidth]")
            if wide > room:
                faults.append(f"{where}: {wide} px wide, and so scrolls sideways")
            for region in tab.query_selector_all(".scroll[role=region]"):
                if not region.get_attribute("aria-label"):
                    faults.append(f"{where}: a region without a name")
            tab.screenshot(path=self.screenshots / f"{name}-{width_name}-{scheme}.png", full_page=True)
            if look:
                look(tab)
                look = None
            context.close()

    @staticmethod
    def note(message, where, status):
        if message.type in ("error", "warning") and not (status not in (None, 200) and f"status of {status}" in message.text):
            faults.append(f"{where}: console: {message.text}")
