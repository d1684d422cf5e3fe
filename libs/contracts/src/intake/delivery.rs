//! A raw delivery on its way from ingress to verification.

use domain::intake::RawDelivery;
use domain::time::Timestamp;

use crate::DecodeError;
use crate::fields::parse;
use crate::wire::verification as wire;

/// The delivery as it travels over gRPC and rests in quarantine. Trace context, peer address,
/// acknowledgement and parking are left empty: the caller sets them where they are wanted.
pub fn delivery_to_wire(delivery: RawDelivery) -> wire::Delivery {
    let header = |(name, value)| wire::Header { name, value };
    wire::Delivery {
        connection: delivery.connection.to_string(),
        method: delivery.method,
        path_and_query: delivery.path_and_query,
        headers: delivery.headers.into_iter().map(header).collect(),
        body: delivery.body,
        received_at_ms: delivery.received_at.0,
        traceparent: String::new(),
        tracestate: String::new(),
        peer_ip: String::new(),
        acknowledged: false,
        parked: None,
        arrival: String::new(),
    }
}

/// The delivery as verification judges it.
///
/// # Errors
/// When its connection is not an id.
pub fn delivery_from_wire(delivery: wire::Delivery) -> Result<RawDelivery, DecodeError> {
    Ok(RawDelivery {
        connection: parse(&delivery.connection, "delivery.connection")?,
        method: delivery.method,
        path_and_query: delivery.path_and_query,
        headers: delivery.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: delivery.body,
        received_at: Timestamp(delivery.received_at_ms),
    })
}
