//! The page of `/api-docs`: Swagger UI, out of the program itself.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{StatusCode, header};
use utoipa_swagger_ui::{Config, Url};

use super::DESCRIPTION;
use crate::state::Shared;

static PAGE: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::new([Url::from(DESCRIPTION)])));

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api-docs", get(async || Redirect::permanent("/api-docs/")))
        .route("/api-docs/", get(async || page("")))
        .route("/api-docs/{*file}", get(async |Path(file): Path<String>| page(&file)))
}

fn page(file: &str) -> Response {
    match utoipa_swagger_ui::serve(file, Arc::clone(&PAGE)) {
        Ok(Some(file)) => {
            ([(header::CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
