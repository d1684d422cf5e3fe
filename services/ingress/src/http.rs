//! HTTP in, verdict out: `POST /v1/hooks/{connection}`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use axum::routing::post;
use bytes::Bytes;
use contracts::wire::verification::{Delivery, Header};
use domain::ids::ConnectionId;
use event_log::TraceContext;
use http_body_util::BodyExt;
use runtime::http::ServerSettings;
use runtime::random::new_id;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::answer::Reply;
use crate::{Shared, sender};

/// Most headers kept of a delivery; a vendor sends fewer than 20.
const HEADERS_MAX: usize = 100;

/// When a sender is asked to come again while too many bodies are held.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

/// What is read and forgotten of a body that is too large, in bytes, and for how long at most.
const DRAIN_BYTES_MAX: usize = 8 * 1024 * 1024;
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

/// Serves until shutdown, then finishes what is in flight.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, shutdown: CancellationToken) {
    let router = Router::new().route("/v1/hooks/{connection}", post(receive)).with_state(shared);
    runtime::http::serve(listener, router, ServerSettings::default(), shutdown).await;
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    connection: Result<Path<String>, PathRejection>,
    request: Request,
) -> Reply {
    // The sender's own trace is not trusted: a webhook starts a new one.
    let span = tracing::info_span!(
        "POST /v1/hooks/{connection}",
        otel.kind = "server",
        http.route = "/v1/hooks/{connection}",
        reply = tracing::field::Empty,
    );
    let reply = match connection {
        Ok(Path(connection)) => answer(&shared, &connection, request).instrument(span.clone()).await,
        // No name of ours has bytes that are not UTF-8.
        Err(_) => Reply::UnknownConnection,
    };
    span.record("reply", reply.name());
    metrics::counter!("ingress_deliveries_total", "reply" => reply.name()).increment(1);
    reply
}

async fn answer(shared: &Shared, connection: &str, request: Request) -> Reply {
    let Ok(connection) = connection.parse::<ConnectionId>() else { return Reply::UnknownConnection };
    let door = {
        let configuration = shared.configuration.current();
        let Some(settings) = configuration.connection(&connection) else { return Reply::UnknownConnection };
        if let Err(pause) = shared.rates.admit(&connection, &settings.limits, shared.clock.now()) {
            return Reply::Later(pause);
        }
        Door {
            body_bytes_max: settings.limits.body_bytes_max.min(shared.settings.body_bytes_max),
            trusted_proxies: configuration.configuration().ingress.trusted_proxies,
        }
    };
    if is_encoded(request.headers()) {
        return Reply::Encoded;
    }
    let (delivery, _room) = match read(shared, &connection, &door, request).await {
        Ok(read) => read,
        Err(reply) => return reply,
    };
    match shared.lanes.judge(delivery.clone()).await {
        Ok(answer) => Reply::of(&answer),
        Err(_unreached) => shared.parking.park(&connection, delivery).await,
    }
}

/// What the configuration in force says of one delivery.
struct Door {
    body_bytes_max: usize,
    trusted_proxies: u8,
}

/// Whether the body is not what it says: signatures are of the bytes as they come, so no vendor compresses, and what is
/// small may unpack to anything.
fn is_encoded(headers: &HeaderMap) -> bool {
    let codings =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    codings
        .map(<[u8]>::trim_ascii)
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

/// Takes the request apart, byte for byte.
async fn read(
    shared: &Shared,
    connection: &ConnectionId,
    door: &Door,
    request: Request,
) -> Result<(Delivery, Room), Reply> {
    let (parts, body) = request.into_parts();
    let (body, room) = read_body(shared, door.body_bytes_max, body).await?;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let sender = sender::address(&parts.headers, peer, door.trusted_proxies);
    let trace = TraceContext::current();
    let headers = parts
        .headers
        .iter()
        .take(HEADERS_MAX)
        .map(|(name, value)| Header { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() });
    let delivery = Delivery {
        connection: connection.to_string(),
        method: parts.method.as_str().to_owned(),
        path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: headers.collect(),
        body,
        received_at_ms: shared.clock.now().0,
        traceparent: trace.traceparent.unwrap_or_default(),
        tracestate: trace.tracestate.unwrap_or_default(),
        peer_ip: sender.map(|sender| sender.to_string()).unwrap_or_default(),
        acknowledged: false,
        parked: None,
        arrival: hex::encode(new_id()),
    };
    Ok((delivery, room))
}

/// A body's place in memory, given back when the delivery is answered.
type Room = Option<OwnedSemaphorePermit>;

async fn read_body(shared: &Shared, bytes_max: usize, mut body: Body) -> Result<(Vec<u8>, Room), Reply> {
    // Said in advance to be too large: not worth keeping.
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        drain(body).await;
        return Err(Reply::TooLarge(bytes_max));
    }
    let collecting = collect(&mut body, bytes_max, &shared.room);
    let collected = tokio::time::timeout(shared.settings.body_deadline, collecting).await;
    let collected = collected.unwrap_or(Err(Reply::TooSlow));
    if matches!(collected, Err(Reply::TooLarge(_))) {
        drain(body).await;
    }
    collected
}

async fn collect(body: &mut Body, bytes_max: usize, free: &Arc<Semaphore>) -> Result<(Vec<u8>, Room), Reply> {
    let (mut bytes, mut room) = (Vec::new(), Room::None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_broken| Reply::Broken)?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            return Err(Reply::TooLarge(bytes_max));
        }
        let more = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let more = free.clone().try_acquire_many_owned(more).map_err(|_full| Reply::Later(ROOM_PAUSE))?;
        match &mut room {
            Some(room) => room.merge(more),
            None => room = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, room))
}

/// Reads on for a little while and forgets it: a sender that is still writing when the line is closed would see
/// a broken pipe and never the answer that says why.
async fn drain(mut body: Body) {
    let mut left = DRAIN_BYTES_MAX;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // One that is slow or endless gets its answer all the same.
    let _ = tokio::time::timeout(DRAIN_DEADLINE, reading).await;
}
