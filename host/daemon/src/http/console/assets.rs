//! The stylesheet, the script and the icon: in the binary, under names that change with their content, so that browsers
//! keep them for ever.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const CSS: &str = include_str!("../../../assets/console.css");
const ICON: &str = include_str!("../../../assets/icon.svg");
/// One module of several files; each is about one thing.
const SCRIPT: &str = concat!(
    include_str!("../../../assets/live.js"),
    include_str!("../../../assets/logs.js"),
    include_str!("../../../assets/act.js"),
    include_str!("../../../assets/keys.js"),
);

/// Where pages find what they need.
#[derive(Debug)]
pub struct Assets {
    /// The stylesheet.
    pub css: String,
    /// The script.
    pub js: String,
    /// The icon.
    pub icon: String,
}

static PLACES: LazyLock<Assets> = LazyLock::new(|| {
    let place = |name: &str, ending: &str, text: &str| {
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        format!("/assets/{name}-{}.{ending}", hash.get(..12).unwrap_or(&hash))
    };
    Assets { css: place("console", "css", CSS), js: place("console", "js", SCRIPT), icon: place("icon", "svg", ICON) }
});

/// Where they are.
pub fn places() -> &'static Assets {
    &PLACES
}

/// One of them.
pub async fn serve(Path(name): Path<String>) -> Response {
    let all = [
        (&PLACES.css, "text/css; charset=utf-8", CSS),
        (&PLACES.js, "text/javascript; charset=utf-8", SCRIPT),
        (&PLACES.icon, "image/svg+xml", ICON),
    ];
    let found = all.into_iter().find(|(place, _, _)| place.strip_prefix("/assets/") == Some(name.as_str()));
    match found {
        Some((_, kind, text)) => {
            let headers =
                [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
            (headers, text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
