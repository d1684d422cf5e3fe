//! Protobuf fields, written one after the other: the bytes that prost would write, without a message built first.
//! Every append encodes one record, and its two dozen small allocations cost more than its bytes.

/// Every field number here is below 16, so its key is one byte.
const KEY_BYTES: usize = 1;
const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;

/// The fields so far, in the order of their numbers. A field with its default value is left out.
pub(crate) struct Fields(Vec<u8>);

impl Fields {
    pub(crate) fn with_capacity(bytes: usize) -> Fields {
        Fields(Vec::with_capacity(bytes))
    }

    pub(crate) fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.key(field, VARINT);
            self.varint(value);
        }
    }

    pub(crate) fn bytes(&mut self, field: u8, value: &[u8]) {
        if !value.is_empty() {
            self.message(field, value.len());
            self.0.extend_from_slice(value);
        }
    }

    /// Begins a message of so many bytes; its fields come next.
    pub(crate) fn message(&mut self, field: u8, bytes: usize) {
        self.key(field, LENGTH_DELIMITED);
        self.varint(bytes as u64);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u8, wire_type: u8) {
        self.0.push((field << 3) | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// What [`Fields::number`] writes, in bytes.
pub(crate) const fn number_len(value: u64) -> usize {
    if value == 0 { 0 } else { KEY_BYTES + varint_len(value) }
}

/// What [`Fields::bytes`] writes, in bytes.
pub(crate) const fn bytes_len(value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { KEY_BYTES + varint_len(value.len() as u64) + value.len() }
}

const fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}
