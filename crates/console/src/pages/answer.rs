//! How every page is answered: a rendered template, or a notice of why there is none.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::outage::Outage;

/// A page that only says why another page is not shown.
#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
    outage: Option<&'a Outage>,
}

/// Answer with a rendered template.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "render a page");
            (StatusCode::INTERNAL_SERVER_ERROR, "internal error; see the log of the console\n")
                .into_response()
        }
    }
}

/// Answer that what was requested does not exist.
pub(crate) fn missing(text: &str) -> Response {
    page(StatusCode::NOT_FOUND, &Notice { title: "Not found", text, outage: None })
}

/// Answer that a source which the whole page needs cannot be read.
pub(crate) fn unavailable(outage: &Outage) -> Response {
    let text =
        "This page needs a source that could not be read. Every visit reads it again; no restart is needed.";
    page(StatusCode::SERVICE_UNAVAILABLE, &Notice { title: "Not available", text, outage: Some(outage) })
}
