//! Finds out who calls, before anything else is done with a request.

use super::guard::{Shown, check_name, check_site};
use super::token::TokenText;
use super::{Caller, login};
use crate::clock::now;
use crate::http::problem::{Code, Problem};
use crate::http::site::Site;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What programs speak to.
const API: &str = "/api/";
/// Where a proxy says whom it passes on.
const FORWARDED: &str = "x-forwarded-for";

/// Holds a request to the rules for browsers and to the limits, and notes who sends it. A token that opens nothing is
/// refused at once, whatever is asked for; who shows none is nobody.
pub async fn identify(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let caller = match admit(&site, &request) {
        Ok(caller) => caller,
        // those who guess are counted, too
        Err(problem) => {
            let counted = site.limits.ask(&address(&site, &request));
            return counted.err().unwrap_or(problem).into_response();
        }
    };
    let known_as = match &caller {
        Some(caller) => caller.name.clone(),
        None => address(&site, &request),
    };
    let counted = match site.limits.ask(&known_as).and_then(|()| site.limits.request(&known_as)) {
        Ok(counted) => counted,
        Err(problem) => return problem.into_response(),
    };
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let response = next.run(request).await;
    drop(counted);
    response
}

/// Refuses who is nobody.
pub async fn require(caller: Caller, request: Request, next: Next) -> Response {
    tracing::debug!(caller = %caller.name, "asks");
    next.run(request).await
}

fn admit(site: &Site, request: &Request) -> Result<Option<Caller>, Problem> {
    let (door, headers, uri) = (&site.auth.door, request.headers(), request.uri());
    check_name(door, headers, uri)?;
    let (caller, shown) = who(site, headers)?;
    check_site(door, (request.method(), uri, headers), shown, uri.path().starts_with(API))?;
    Ok(caller)
}

fn who(site: &Site, headers: &HeaderMap) -> Result<(Option<Caller>, Shown), Problem> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let token = given.to_str().ok().and_then(bearer).and_then(|text| site.auth.book.token(&text, now()));
        let token = token.ok_or_else(|| Problem::new(Code::Unauthenticated, "the token is not valid here"))?;
        return Ok((Some(Caller::of(token)), Shown::Token));
    }
    // a session that has ended is nobody: pages lead to the login then
    if let Some(session) = login::cookie(headers, &site.auth.door)
        && let Some(token) = site.auth.book.session(&session, now())
    {
        return Ok((Some(Caller::of(token)), Shown::Cookie));
    }
    Ok((site.auth.door.open.then(Caller::dev), Shown::Nothing))
}

fn bearer(header: &str) -> Option<TokenText> {
    let (scheme, text) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") { TokenText::parse(text.trim()) } else { None }
}

/// Where a request comes from; of one that a proxy passed on, as the proxy says.
fn address(site: &Site, request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let told = site.auth.door.behind_proxy.then(|| {
        // the last is what our proxy saw; those before it are what it was told
        let told = request.headers().get_all(FORWARDED).iter().next_back()?.to_str().ok()?;
        told.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    });
    told.flatten().or(peer).map_or_else(|| "nobody".to_owned(), |address| format!("address {address}"))
}
