//! A receiver of OTLP over HTTP, as a collector is one: it takes what is posted to `/v1/traces` and keeps the spans.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use lovage_tests::{WITHIN, eventually};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message as _;

/// The receiver.
pub struct Collector {
    pub url: String,
    got: Arc<Mutex<Vec<Seen>>>,
}

/// A span as it was received, in words.
#[derive(Clone, Debug)]
pub struct Seen {
    pub service: String,
    pub name: String,
    pub kind: SpanKind,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub failed: Option<String>,
    attributes: Vec<KeyValue>,
}

impl Collector {
    pub async fn start() -> Self {
        let got: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(take)).with_state(got.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, got }
    }

    /// Waits for spans until there is one for each of these names, and returns them in this order.
    pub async fn spans<const N: usize>(&self, names: [&str; N]) -> [Seen; N] {
        eventually(&format!("spans {names:?}"), WITHIN, async || {
            let mut got = self.got.lock().unwrap().clone();
            let mut found = Vec::new();
            for name in names {
                match got.iter().position(|span| span.name == name) {
                    Some(place) => found.push(got.remove(place)),
                    None => return Err(format!("no {name:?} in {got:?}")),
                }
            }
            found.try_into().map_err(|_| "another number".to_owned())
        })
        .await
    }
}

async fn take(State(got): State<Arc<Mutex<Vec<Seen>>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    for resource in request.resource_spans {
        let of = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = text(&of, "service.name").unwrap_or_default();
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        got.lock().unwrap().extend(spans.map(|span| seen(&service, span)));
    }
    StatusCode::OK
}

fn seen(service: &str, span: Span) -> Seen {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    let failed = span.status.as_ref().filter(|status| status.code() == SpanStatus::Error);
    Seen {
        service: service.to_owned(),
        kind: span.kind(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        failed: failed.map(|status| status.message.clone()),
        name: span.name,
        attributes: span.attributes,
    }
}

impl Seen {
    /// The text of an attribute.
    pub fn text(&self, name: &str) -> String {
        text(&self.attributes, name).unwrap_or_else(|| panic!("no text {name} in {self:?}"))
    }

    /// The number of an attribute.
    pub fn number(&self, name: &str) -> i64 {
        match value(&self.attributes, name) {
            Some(Value::IntValue(number)) => number,
            other => panic!("{name} is {other:?} in {self:?}"),
        }
    }
}

fn value(attributes: &[KeyValue], name: &str) -> Option<Value> {
    attributes.iter().find(|attribute| attribute.key == name)?.value.clone()?.value
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    match value(attributes, name) {
        Some(Value::StringValue(text)) => Some(text),
        _ => None,
    }
}
