//! The pages: what the sources hold, through the templates under `templates/`.
//!
//! Every value goes through askama's escaping: ids and titles are whatever users and shops wrote.

mod answer;
mod marks;
mod model;
mod overview;
mod user;

use axum::http::header;
use axum::response::{IntoResponse, Response};

pub(crate) use model::model;
pub(crate) use overview::overview;
pub(crate) use user::user;

/// The page of a path that does not exist.
pub(crate) async fn not_found() -> Response {
    answer::missing("This page does not exist. The pipeline and the users are linked above.")
}

/// The style of all pages.
pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../templates/style.css"))
        .into_response()
}

/// The icon; browsers request one in any case.
pub(crate) async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("../../templates/icon.svg")).into_response()
}
