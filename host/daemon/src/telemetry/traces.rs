//! Traces over OTLP: a span for each attempt, each compilation, and each submission of the command line. Off, at no
//! cost, unless an endpoint is given by the variables of OpenTelemetry or in the worker's file.
//!
//! Spans go out in batches over HTTP from a bounded queue; what does not fit is dropped, and no job waits for it. Names
//! and attributes follow OpenTelemetry's conventions for messaging, with our own under `lovage.`. Payloads never.

mod endpoint;
mod watched;

pub use endpoint::TracesError;

use crate::ports::{AttemptSpan, Beginning, Compilation, Ended, Tracer};
use lovage_job::outcome::OutcomeKind;
use lovage_job::trace::TraceContext;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::runtime::Tokio;
use opentelemetry_sdk::trace::span_processor_with_async_runtime::BatchSpanProcessor;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use watched::Watched;

/// How long the last spans may take to go out when a process ends.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// Sends spans.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends spans of `service` where an endpoint is given, by the variables or, after them, by `file`. Must be called
    /// within the runtime that sends them.
    pub fn start(service: &'static str, file: Option<&str>) -> Result<Option<Arc<Self>>, TracesError> {
        let Some(url) = endpoint::find(file, |name| std::env::var(name).ok())? else { return Ok(None) };
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_endpoint(&url);
        let exporter =
            exporter.build().map_err(|error| TracesError::Exporter { url: url.clone(), reason: error.to_string() })?;
        let exporter = Watched::new(exporter, url);
        let mut resource = Resource::builder();
        // the variable names the service where it is set
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(service);
        }
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let batches = BatchSpanProcessor::builder(exporter, Tokio).build();
        let provider = SdkTracerProvider::builder().with_span_processor(batches).with_resource(resource).build();
        let tracer = provider.tracer("lovage");
        Ok(Some(Arc::new(Self { provider, tracer })))
    }

    /// Sends what is left.
    pub async fn stop(self: Arc<Self>) {
        let stopping = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_WITHIN));
        match tokio::time::timeout(FLUSH_WITHIN, stopping).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(error = %error, "the last spans were not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last spans were not sent in time"),
        }
    }

    /// A job is being submitted to a queue, within the trace that the caller is in.
    pub fn publish(&self, tenant: &str, queue: &str, task: &str, parent: Option<TraceContext>) -> Publishing {
        let attributes = vec![
            KeyValue::new("messaging.system", "nats"),
            KeyValue::new("messaging.operation.name", "publish"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.destination.name", queue.to_owned()),
            KeyValue::new("lovage.tenant", tenant.to_owned()),
            KeyValue::new("lovage.task", task.to_owned()),
        ];
        Publishing(self.span(format!("publish {queue}"), SpanKind::Producer, attributes, parent, None))
    }

    fn span(
        &self,
        name: String,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
        parent: Option<TraceContext>,
        begun: Option<SystemTime>,
    ) -> Span {
        let mut span = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        if let Some(begun) = begun {
            span = span.with_start_time(begun);
        }
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(to_span_context(parent)),
            None => Context::new(),
        };
        span.start_with_context(&self.tracer, &parent)
    }
}

/// A job that is being submitted.
#[derive(Debug)]
pub struct Publishing(Span);

impl Publishing {
    /// Where in the trace it is.
    pub fn context(&self) -> Option<TraceContext> {
        of_span_context(self.0.span_context())
    }

    /// It was submitted under this id, or was not.
    pub fn end(mut self, submitted: Result<&str, String>) {
        match submitted {
            Ok(id) => self.0.set_attribute(KeyValue::new("messaging.message.id", id.to_owned())),
            Err(error) => self.0.set_status(Status::error(error)),
        }
        self.0.end();
    }
}

impl Tracer for Traces {
    fn begin(&self, beginning: &Beginning<'_>) -> Box<dyn AttemptSpan> {
        let (job, subject) = (beginning.job, &beginning.job.subject);
        let mut attributes = vec![
            KeyValue::new("messaging.system", "nats"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.destination.name", subject.queue.to_string()),
            KeyValue::new("messaging.message.id", job.id.to_string()),
            KeyValue::new("lovage.tenant", beginning.tenant.to_string()),
            KeyValue::new("lovage.task", subject.task.to_string()),
            KeyValue::new("lovage.task.version", beginning.version.to_string()),
            KeyValue::new("lovage.component.digest", beginning.digest.to_string()),
            KeyValue::new("lovage.lane", subject.lane.as_str()),
            KeyValue::new("lovage.attempt", i64::from(job.attempt)),
            KeyValue::new("lovage.worker", beginning.worker.to_owned()),
        ];
        if let Some(parent) = job.flow.as_ref().and_then(|flow| flow.parent.as_ref()) {
            attributes.push(KeyValue::new("lovage.job.parent", parent.to_string()));
        }
        let name = format!("process {}", subject.task);
        Box::new(Attempt(self.span(name, SpanKind::Consumer, attributes, beginning.parent, None)))
    }

    fn compiled(&self, compilation: Compilation<'_>) {
        let attributes = vec![
            KeyValue::new("lovage.tenant", compilation.tenant.to_string()),
            KeyValue::new("lovage.task", compilation.task.to_string()),
            KeyValue::new("lovage.task.version", compilation.version.to_string()),
            KeyValue::new("lovage.component.digest", compilation.digest.to_string()),
        ];
        let name = format!("compile {}", compilation.task);
        let mut span = self.span(name, SpanKind::Internal, attributes, None, Some(compilation.begun));
        if let Some(error) = compilation.error {
            span.set_status(Status::error(error));
        }
        span.end();
    }
}

#[derive(Debug)]
struct Attempt(Span);

impl AttemptSpan for Attempt {
    fn context(&self) -> Option<TraceContext> {
        of_span_context(self.0.span_context())
    }

    fn end(mut self: Box<Self>, ended: Ended<'_>) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.0.set_attributes([
            KeyValue::new("lovage.outcome", ended.outcome.as_str()),
            KeyValue::new("lovage.fuel_used", number(ended.meter.fuel_used)),
            KeyValue::new("lovage.memory_peak_bytes", number(ended.meter.memory_peak_bytes)),
        ]);
        match (ended.outcome, ended.error) {
            (OutcomeKind::Completed, _) => self.0.set_status(Status::Ok),
            // put off by its task, which is no error
            (OutcomeKind::Snoozed, _) => {}
            (outcome, error) => {
                self.0.set_attribute(KeyValue::new("error.type", outcome.as_str()));
                let message = error.map(|error| error.message.clone()).unwrap_or_default();
                self.0.set_status(Status::error(message));
            }
        }
        self.0.end();
    }
}

fn to_span_context(context: TraceContext) -> SpanContext {
    let flags = if context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace, span) = (TraceId::from_bytes(context.trace()), SpanId::from_bytes(context.span()));
    SpanContext::new(trace, span, flags, true, TraceState::default())
}

fn of_span_context(context: &SpanContext) -> Option<TraceContext> {
    TraceContext::new(context.trace_id().to_bytes(), context.span_id().to_bytes(), context.is_sampled())
}
