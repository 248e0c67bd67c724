//! What the body of an answer is compressed with: gzip or nothing, since nothing else is asked for.
//!
//! ureq's own decoder takes an empty body and one in several parts for a lost connection, and knows one spelling.

use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;
use ureq::http::{HeaderMap, header};

use super::failure::Broken;

/// The body as it was before it was compressed. The headers that speak of what was sent are taken out then.
///
/// # Errors
/// It is not what its header says, or larger than the limit.
pub(super) fn decoded(headers: &mut HeaderMap, body: Vec<u8>, limit: u64) -> Result<Vec<u8>, Broken> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    let is_gzip = encoding
        .is_some_and(|name| name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip"));
    // Of nothing at all there is nothing to decompress, whatever a proxy has written over it.
    if !is_gzip || body.is_empty() {
        return Ok(body);
    }
    // JSON shrinks to a fifth and less; more than this is not given in advance.
    let mut decoded = Vec::with_capacity((body.len() * 5).min(1 << 20));
    let mut reader = MultiGzDecoder::new(&body[..]).take(limit.saturating_add(1));
    reader.read_to_end(&mut decoded).map_err(|error| Broken::Encoded(error.to_string()))?;
    if decoded.len() as u64 > limit {
        return Err(Broken::TooLarge);
    }
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ureq::http::HeaderValue;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(encoding: &'static str, body: Vec<u8>, limit: u64) -> Result<Vec<u8>, Broken> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        decoded(&mut headers, body, limit)
    }

    #[test]
    fn gzip_is_read_however_it_is_called_and_cut() {
        for name in ["gzip", "GZIP", "x-gzip", " gzip "] {
            assert_eq!(decode(name, gzip(b"{}"), 2).ok().unwrap(), b"{}", "{name}");
        }
        let parts = [gzip(b"{"), gzip(b"}")].concat();
        assert_eq!(decode("gzip", parts, 2).ok().unwrap(), b"{}");
        assert_eq!(decode("gzip", Vec::new(), 2).ok().unwrap(), b"");
        for name in ["identity", "br"] {
            assert_eq!(decode(name, b"{}".to_vec(), 2).ok().unwrap(), b"{}", "{name}");
        }
    }

    #[test]
    fn what_is_too_large_or_no_gzip_is_refused() {
        assert!(matches!(decode("gzip", gzip(b"{}"), 1), Err(Broken::TooLarge)));
        let whole = gzip(b"a text of some length");
        let mut corrupt = whole.clone();
        corrupt[12] ^= 0xff;
        for body in [b"{}".to_vec(), whole[..whole.len() - 3].to_vec(), corrupt] {
            assert!(matches!(decode("gzip", body, 1 << 20), Err(Broken::Encoded(_))));
        }
    }
}
