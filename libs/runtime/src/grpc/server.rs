//! The one recipe for a gRPC server.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::transport::server::TcpIncoming;
use tower::Service;

use super::trace::ServerTrace;

/// Limits of a gRPC server.
#[derive(Clone, Copy, Debug)]
pub struct ServerSettings {
    /// Longest time a call may take until its answer begins; streams may go on.
    pub timeout: Duration,
    /// Most calls in flight on one connection; further ones are refused as `RESOURCE_EXHAUSTED`.
    pub in_flight_max: usize,
    /// Most streams on one connection, those that wait included.
    pub streams_max: u32,
    /// After this time a connection is closed in order, so that clients find new replicas.
    pub connection_age_max: Duration,
    /// How often a silent peer is asked whether it is still there.
    pub keepalive_every: Duration,
    /// How long calls and streams may go on after the wish to stop.
    pub drain_deadline: Duration,
    /// Whether reflection is offered.
    pub reflection: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            in_flight_max: 512,
            streams_max: 1_024,
            connection_age_max: Duration::from_secs(600),
            keepalive_every: Duration::from_secs(20),
            drain_deadline: Duration::from_secs(10),
            reflection: true,
        }
    }
}

/// A gRPC server before it listens: its services and what reflection tells of them.
#[derive(Debug, Default)]
pub struct Server {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    descriptors: Vec<&'static [u8]>,
}

/// Why a server did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A descriptor set cannot be read; a mistake of the build.
    #[error("reflection cannot read a descriptor set")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed")]
    Transport(#[from] tonic::transport::Error),
}

impl Server {
    /// A server without services.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a generated service.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Error = std::convert::Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// Adds an encoded `FileDescriptorSet` for reflection.
    #[must_use]
    pub fn descriptors(mut self, encoded: &'static [u8]) -> Self {
        self.descriptors.push(encoded);
        self
    }

    /// Serves until `shutdown`: then health says NOT_SERVING, no new connection is taken, and calls in flight
    /// may end within [`ServerSettings::drain_deadline`]. Streams must end by themselves at `shutdown`.
    ///
    /// # Errors
    /// When reflection or the transport cannot start.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        settings: ServerSettings,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let (health, health_service) = tonic_health::server::health_reporter();
        for name in &self.names {
            health.set_service_status(name, tonic_health::ServingStatus::Serving).await;
        }
        self.routes.add_service(health_service);
        if settings.reflection {
            self.add_reflection()?;
        }

        // The builder's own `tcp_nodelay` has no effect on a listener that it did not open. Without it a small answer waits
        // for the peer's delayed acknowledgement: up to 40 ms, or until its next request.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = tonic::transport::Server::builder()
            .concurrency_limit_per_connection(settings.in_flight_max)
            .load_shed(true)
            .max_concurrent_streams(settings.streams_max)
            .max_connection_age(settings.connection_age_max)
            .max_connection_age_grace(settings.drain_deadline)
            .http2_keepalive_interval(Some(settings.keepalive_every))
            .http2_keepalive_timeout(Some(settings.keepalive_every))
            .layer(ServerTrace { timeout: settings.timeout })
            .add_routes(self.routes.routes())
            .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());

        let names = self.names;
        let overdue = async {
            shutdown.cancelled().await;
            health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
            for name in names {
                health.set_service_status(name, tonic_health::ServingStatus::NotServing).await;
            }
            tokio::time::sleep(settings.drain_deadline).await;
        };
        tokio::select! {
            ended = serving => Ok(ended?),
            () = overdue => {
                tracing::warn!("gRPC calls were cut off at the end of the drain");
                Ok(())
            }
        }
    }

    fn add_reflection(&mut self) -> Result<(), ServeError> {
        let configure = || {
            self.descriptors
                .iter()
                .fold(tonic_reflection::server::Builder::configure(), |builder, encoded| {
                    builder.register_encoded_file_descriptor_set(encoded)
                })
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let (v1, v1alpha) = (configure().build_v1()?, configure().build_v1alpha()?);
        self.routes.add_service(v1);
        self.routes.add_service(v1alpha);
        Ok(())
    }
}
