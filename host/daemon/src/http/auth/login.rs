//! Sessions of the console: a token is shown once, and the browser keeps a secret of its own that opens the same.

use super::guard::Door;
use super::token::TokenText;
use crate::clock::now;
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Router};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use lovage_job::token::SessionRecord;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// How long a session lasts.
const LASTS: Duration = Duration::from_secs(12 * 3_600);
/// Where one lands who signs in, or out.
const HOME: &str = "/";

/// `POST /login` with the field `token` begins a session, `POST /logout` ends it.
pub fn router() -> Router<Arc<Site>> {
    Router::new().route("/login", post(login)).route("/logout", post(logout))
}

/// The name of the cookie. Over TLS a browser takes it from this host and path alone.
fn name(door: &Door) -> &'static str {
    if door.secure { "__Host-lovage_session" } else { "lovage_session" }
}

/// The session that a browser shows.
pub(super) fn cookie(headers: &HeaderMap, door: &Door) -> Option<TokenText> {
    let jar = CookieJar::from_headers(headers);
    TokenText::parse(jar.get(name(door))?.value())
}

#[derive(Deserialize)]
struct Shown {
    token: String,
}

async fn login(
    State(site): State<Arc<Site>>,
    form: Result<Form<Shown>, axum::extract::rejection::FormRejection>,
) -> Response {
    let Ok(Form(shown)) = form else {
        return Problem::new(Code::BadBody, "a form with the field token is needed").into_response();
    };
    match begin(&site, shown.token.trim()).await {
        Ok(cookie) => see_home(&cookie),
        Err(problem) => problem.into_response(),
    }
}

async fn begin(site: &Site, shown: &str) -> Result<Cookie<'static>, Problem> {
    let now = now();
    let token = TokenText::parse(shown).and_then(|text| site.auth.book.token(&text, now));
    let token = token.ok_or_else(|| Problem::new(Code::Unauthenticated, "the token is not valid here"))?;
    let text = TokenText::random().map_err(Problem::internal)?;
    let session = SessionRecord { sha256: text.sha256(), token: token.sha256.clone(), expires: now.after(LASTS) };
    let mut changes = site.auth.book.changes();
    site.auth.tokens.open_session(token.tenant.as_ref(), &session, LASTS).await.map_err(Problem::broker)?;
    // the next request must find it, which the broker tells us of
    let known = async { while site.auth.book.session(&text, now).is_none() && changes.changed().await.is_ok() {} };
    // a broker that tells late makes one who signs in wait for the next request
    let _told_late = tokio::time::timeout(Duration::from_secs(5), known).await;
    Ok(set(&site.auth.door, text.reveal().to_owned(), LASTS))
}

async fn logout(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if let Some(text) = cookie(&headers, &site.auth.door)
        && let Some(token) = site.auth.book.session(&text, now())
        && let Err(error) = site.auth.tokens.close_session(token.tenant.as_ref(), &text.sha256()).await
    {
        return Problem::broker(error).into_response();
    }
    see_home(&set(&site.auth.door, String::new(), Duration::ZERO))
}

fn set(door: &Door, value: String, lasts: Duration) -> Cookie<'static> {
    let mut cookie = Cookie::new(name(door), value);
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.set_secure(door.secure);
    cookie.set_path("/");
    cookie.set_max_age(lasts.try_into().ok());
    cookie
}

fn see_home(cookie: &Cookie<'_>) -> Response {
    let Ok(cookie) = HeaderValue::from_str(&cookie.to_string()) else {
        return Problem::internal("a cookie is no header").into_response();
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static(HOME)), (header::SET_COOKIE, cookie)])
        .into_response()
}
