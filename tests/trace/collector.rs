//! A collector of spans in this process, as an operator would run one beside the service.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// One span, as far as the tests look at it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub service: String,
    pub instance: String,
    pub name: String,
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub start: u64,
    connection: String,
    operation: String,
}

impl Seen {
    /// Whether it is our call of this kind at a vendor: the connection's key begins with the vendor's name.
    pub fn is_call(&self, vendor: &str, operation: &str) -> bool {
        self.connection.starts_with(&format!("{vendor}-main")) && self.operation.contains(operation)
    }
}

/// A running collector.
pub struct Collector {
    pub address: String,
    spans: Arc<Mutex<Vec<Seen>>>,
}

struct Receiver(Arc<Mutex<Vec<Seen>>>);

impl Collector {
    #[expect(clippy::disallowed_methods, reason = "the collector stands beside the test and ends with it")]
    pub async fn start() -> Result<Collector> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let spans = Arc::new(Mutex::new(Vec::new()));
        let service = TraceServiceServer::new(Receiver(spans.clone())).max_decoding_message_size(64 << 20);
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Ok(Collector { address, spans })
    }

    /// Every span so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for group in request.into_inner().resource_spans {
            let about = group.resource.map(|resource| resource.attributes).unwrap_or_default();
            let (service, instance) = (text(&about, "service.name"), text(&about, "service.instance.id"));
            let all = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(all.map(|span| seen(span, service.clone(), instance.clone())));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn seen(span: Span, service: String, instance: String) -> Seen {
    Seen {
        service,
        instance,
        connection: text(&span.attributes, "connection"),
        operation: text(&span.attributes, "operation"),
        name: span.name,
        trace: span.trace_id,
        id: span.span_id,
        parent: span.parent_span_id,
        start: span.start_time_unix_nano,
    }
}

/// A text attribute; empty when there is none.
fn text(attributes: &[KeyValue], key: &str) -> String {
    let value =
        attributes.iter().find(|attribute| attribute.key == key).and_then(|found| found.value.clone());
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(_) | None => String::new(),
    }
}
