//! The pages: what was read, put into words, through the templates under `templates/`.
//!
//! Every value goes through askama's escaping: ids and titles are whatever users and shops wrote.

mod model;
mod overview;
mod parts;
mod user;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::outage::Outage;

pub(crate) use model::model;
pub(crate) use overview::overview;
pub(crate) use user::user;

/// A page that only says why it is not another one.
#[derive(Template)]
#[template(path = "notice.html")]
struct Notice<'a> {
    title: &'a str,
    text: &'a str,
    outage: Option<&'a Outage>,
}

/// The page of a path that is none.
pub(crate) async fn not_found() -> Response {
    missing("There is no such page. The pipeline and the users are linked above.")
}

/// The style of all pages.
pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../templates/style.css"))
        .into_response()
}

/// The icon; without it browsers ask for one that is not there.
pub(crate) async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("../../templates/icon.svg")).into_response()
}

fn missing(text: &str) -> Response {
    page(StatusCode::NOT_FOUND, &Notice { title: "Not found", text, outage: None })
}

fn unavailable(outage: &Outage) -> Response {
    let text = "This page is made from a place that could not be read just now. It is read anew at every visit: \
                nothing needs a restart.";
    page(StatusCode::SERVICE_UNAVAILABLE, &Notice { title: "Not available", text, outage: Some(outage) })
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            (StatusCode::INTERNAL_SERVER_ERROR, "a fault of this page; its log says more\n").into_response()
        }
    }
}
