//! Every route of the API's own description, with every kind of caller that must not pass. A route that is added is tested
//! by that alone.

use reqwest::Method;
use serde_json::{Value, json};

use super::Served;
use super::ground::Answer;

/// A route with names put into its path.
struct Route {
    method: Method,
    path: String,
    of_a_tenant: bool,
}

/// What a path asks for; of the tenant `acme`, and of things that are not there.
fn filled(path: &str) -> String {
    let mut filled = path.to_owned();
    for (name, value) in [
        ("tenant", "acme"),
        ("id", "no-such-job"),
        ("task", "no-such-task"),
        ("version", "1"),
        ("alias", "stable"),
        ("queue", "default"),
        ("name", "none"),
        ("scope", "queue"),
    ] {
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    assert!(!filled.contains('{'), "{path} has a name that this test does not know");
    filled
}

async fn routes(served: &Served) -> Vec<Route> {
    let described = served.get("/api/openapi.json", "").await.json(200);
    let paths = described["paths"].as_object().unwrap().iter();
    let routes: Vec<Route> = paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| Route {
                method: method.to_uppercase().parse().unwrap(),
                path: filled(path),
                of_a_tenant: path.contains("{tenant}"),
            })
        })
        .collect();
    assert!(routes.len() > 50, "{}", routes.len());
    routes
}

impl Served {
    async fn ask(&self, route: &Route, token: &str) -> Answer {
        let request = self.request(route.method.clone(), &route.path, token);
        let request = if route.method == Method::GET { request } else { request.json(&json!({})) };
        Answer::of(request).await
    }
}

#[tokio::test]
async fn every_route_refuses_who_has_no_token_that_is_valid() {
    let served = Served::start(&["--rate", "10000"]);
    let expired = served.token_for(Some("acme"), "admin", &["--expires", "1s"]);
    let removed = served.token(Some("acme"), "admin");
    served.known(&removed).await;
    served.cli.clone().tenant("acme").ok(["token", "rm", "tadmin"]);
    served.gone(&removed).await;
    served.gone(&expired).await;
    let never = format!("lvg_{}", "A".repeat(43));
    for route in routes(&served).await {
        for (what, token) in [("no", ""), ("a removed", &removed), ("an expired", &expired), ("an unknown", &never)] {
            let answer = served.ask(&route, token).await;
            assert_eq!(answer.status, 401, "{} {} with {what} token: {answer:?}", route.method, route.path);
            answer.is("unauthenticated");
        }
    }
}

#[tokio::test]
async fn every_route_hides_what_belongs_to_another_tenant() {
    let served = Served::start(&["--rate", "10000"]);
    served.cli.ok(["tenant", "add", "umbra"]);
    let tokens = ["viewer", "operator", "admin"].map(|role| served.token(Some("umbra"), role));
    for token in &tokens {
        served.known(token).await;
    }
    for route in routes(&served).await {
        for token in &tokens {
            let answer = served.ask(&route, token).await;
            let told = format!("{} {}: {answer:?}", route.method, route.path);
            if route.of_a_tenant {
                // in the very words for a tenant that is not there, or for a body that could not be read before
                let status = answer.status.as_u16();
                assert!(matches!(status, 404 | 422 | 400), "{told}");
                assert!(status != 404 || answer.text.contains("there is no"), "{told}");
            } else if route.path != "/api/v1/me" && route.path != "/api/v1/tenants" {
                assert!(matches!(answer.status.as_u16(), 404 | 422), "{told}");
            }
        }
    }
    let own = served.get("/api/v1/tenants", &tokens[0]).await.json(200);
    let names: Vec<&Value> = own["items"].as_array().unwrap().iter().map(|tenant| &tenant["tenant"]).collect();
    assert_eq!(names, ["umbra"]);
    let (there, not) = (
        served.get("/api/v1/tenants/acme/tasks", &tokens[2]).await.is("not-found"),
        served.get("/api/v1/tenants/nobody/tasks", &tokens[2]).await.is("not-found"),
    );
    assert_eq!(there["detail"].as_str().unwrap().replace("acme", "nobody"), not["detail"].as_str().unwrap());
}

#[tokio::test]
async fn no_route_that_changes_something_is_open_to_viewers() {
    let served = Served::start(&["--rate", "10000"]);
    let tokens = [served.token(Some("acme"), "viewer"), served.token(None, "viewer")];
    for token in &tokens {
        served.known(token).await;
    }
    let mut refused = 0;
    for route in routes(&served).await.iter().filter(|route| route.method != Method::GET) {
        for token in &tokens {
            let answer = served.ask(route, token).await;
            // what is for all tenants is not there for a token of one; a body is read before the role is known
            assert!(matches!(answer.status.as_u16(), 403 | 404 | 422), "{} {}: {answer:?}", route.method, route.path);
            refused += usize::from(answer.status == 403);
        }
    }
    assert!(refused > 30, "{refused}");
    let entries = served.cli.run(["audit", "--all-tenants", "--json"]).ok().stdout;
    assert!(!entries.contains("token acme.tviewer") && !entries.contains("token _all.tviewer"), "{entries}");
}

#[tokio::test]
async fn routes_that_are_not_there_are_told_as_problems() {
    let served = Served::start(&[]);
    let token = served.token(None, "admin");
    served.known(&token).await;
    for path in ["/api/v1/nothing", "/api/v1", "/api/v2/me", "/api", "/nothing", "/api/v1/tenants/acme/%2e%2e/x"] {
        served.get(path, &token).await.is("not-found");
    }
    served.post("/api/v1/me", &token, json!({})).await.is("method-not-allowed");
}

#[test]
fn the_description_of_the_api_changes_only_when_that_is_meant() {
    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/suites/http/openapi.json");
    let described = serde_json::to_string_pretty(&lovage::http::api::openapi()).unwrap() + "\n";
    if std::env::var_os("LOVAGE_BLESS").is_some() {
        std::fs::write(GOLDEN, &described).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    assert!(golden == described, "the API changed: look at it, and run this test with LOVAGE_BLESS=1 to keep it");
}
