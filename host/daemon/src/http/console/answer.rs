//! Pages as answers, and problems as pages.

use super::assets::{self, Assets};
use super::shell::theme_of;
use super::told::{Told, forget, go};
use super::visit::Visit;
use crate::http::problem::{Code, Problem};
use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

/// What a page comes to: itself, or why it is not shown.
pub type Answer = Result<Response, Problem>;

/// A page.
pub fn page(visit: &Visit, template: &impl Template) -> Answer {
    let text = template.render().map_err(Problem::internal)?;
    let mut response = Html(text).into_response();
    if visit.tells() && !visit.is_live() {
        response.headers_mut().insert(header::SET_COOKIE, forget());
    }
    Ok(response)
}

/// What an action came to: told on the page that it leads to, a refusal on the page it came from.
pub fn done<T>(result: Result<T, Problem>, to: &str, from: &str, words: impl FnOnce(T) -> String) -> Answer {
    match result {
        Ok(value) => Ok(Told::ok(words(value)).at(to)),
        Err(problem) if problem.code == Code::Unauthenticated => Err(problem),
        Err(problem) => Ok(Told::bad(sentence(&problem)).at(from)),
    }
}

fn sentence(problem: &Problem) -> String {
    match problem.detail.is_empty() {
        true => problem.code.title().to_owned(),
        false => problem.detail.clone(),
    }
}

/// A problem on a page of its own. It says no more than the API does.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    assets: &'a Assets,
    theme: &'a str,
    title: &'a str,
    detail: &'a str,
    status: u16,
    code: &'a str,
}

/// The page to sign in.
#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    assets: &'a Assets,
    theme: &'a str,
    fault: Option<&'a str>,
}

/// The page to sign in; where nobody needs to, the console itself.
pub async fn login(headers: HeaderMap, visit: Option<axum::Extension<crate::http::auth::Caller>>) -> Answer {
    match visit {
        Some(_) => Ok(go("/", None)),
        None => login_page(&headers, None),
    }
}

fn login_page(headers: &HeaderMap, fault: Option<&str>) -> Answer {
    let template = LoginPage { assets: assets::places(), theme: theme_of(headers), fault };
    Ok(Html(template.render().map_err(Problem::internal)?).into_response())
}

/// Puts problems into pages where a person asked, by a browser.
pub async fn pages_for_people(request: Request, next: Next) -> Response {
    let for_people = asks_for_a_page(request.headers()) && !request.uri().path().starts_with("/api/");
    let (headers, method) = (request.headers().clone(), request.method().clone());
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().filter(|_| for_people).cloned() else {
        return response;
    };
    let status = response.status();
    let made = match (problem.code, method, path.as_str()) {
        (Code::Unauthenticated, Method::POST, "/login") => login_page(&headers, Some(&problem.detail)),
        (Code::Unauthenticated, _, _) => return go("/login", None),
        _ => problem_page(&headers, &problem, status),
    };
    let mut made = made.unwrap_or(response);
    *made.status_mut() = status;
    made
}

fn asks_for_a_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|value: &HeaderValue| value.to_str().ok());
    accepted.is_some_and(|kinds| kinds.contains("text/html"))
}

fn problem_page(headers: &HeaderMap, problem: &Problem, status: StatusCode) -> Answer {
    let template = ProblemPage {
        assets: assets::places(),
        theme: theme_of(headers),
        title: problem.code.title(),
        detail: &problem.detail,
        status: status.as_u16(),
        code: problem.code.as_str(),
    };
    Ok(Html(template.render().map_err(Problem::internal)?).into_response())
}
