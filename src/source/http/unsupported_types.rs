//! Names of unsupported formats that only the content type reveals.
//!
//! Formats that are recognisable by their first bytes are left to the decoder.

/// Name of the unsupported format that the content type states; `None` for others.
pub(super) fn by_type(content_type: &str) -> Option<&'static str> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match kind.as_str() {
        "audio/mp4a-latm" | "audio/aac-latm" | "audio/x-latm" | "audio/latm" => "AAC in LATM",
        "audio/l20" => "20-bit PCM",
        "audio/ac3" | "audio/ac-3" | "audio/x-ac3" => "AC-3",
        "audio/eac3" => "E-AC-3",
        "audio/vnd.dts" | "audio/dts" => "DTS",
        "audio/amr" | "audio/amr-wb" => "AMR",
        "audio/x-ms-wma" | "video/x-ms-wmv" | "application/x-mms-framed" => "Windows Media",
        "video/x-flv" => "Flash video (FLV)",
        "video/nsv" | "audio/nsv" => "Nullsoft video (NSV)",
        "application/sdp" => "a description of an RTP session (SDP)",
        "application/x-rtsp-tunnelled" => "RTSP through HTTP",
        "video/mp2p" => "an MPEG program stream",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_names() {
        let check = |content_type, expected| assert_eq!(by_type(content_type), expected, "{content_type}");
        check("audio/MP4A-LATM; rate=48000", Some("AAC in LATM"));
        check("video/x-flv", Some("Flash video (FLV)"));
        check("audio/ac3", Some("AC-3"));
        check("application/sdp", Some("a description of an RTP session (SDP)"));
        check("audio/mpeg", None);
        check("", None);
    }
}
