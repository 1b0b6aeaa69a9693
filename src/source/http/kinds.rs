//! Streams that are not decoded, by their first bytes and their content type.

/// The name of a format that is not decoded; `None` where nothing says so.
pub(super) fn foreign(content_type: &str, first: &[u8]) -> Option<&'static str> {
    by_content(first).or_else(|| by_type(content_type, first))
}

fn by_content(first: &[u8]) -> Option<&'static str> {
    Some(match first {
        // Its object id, of 16 bytes.
        [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, ..] => "Windows Media (ASF)",
        [b'F', b'L', b'V', 1, ..] => "Flash video (FLV)",
        [b'.', b'R', b'M', b'F', ..] | [b'.', b'r', b'a', 0xfd, ..] => "RealAudio",
        [b'N', b'S', b'V', b's' | b'f', ..] => "Nullsoft video (NSV)",
        // Sync words of 16 and 32 bits (ETSI TS 102 366, TS 102 114).
        [0x0b, 0x77, ..] => "AC-3",
        [0x7f, 0xfe, 0x80, 0x01, ..] | [0xfe, 0x7f, 0x01, 0x80, ..] => "DTS",
        [0, 0, 1, 0xba, ..] => "an MPEG program stream",
        // A timestamp of four bytes stands before each packet of a transport stream.
        [_, _, _, _, 0x47, rest @ ..] if rest.get(191) == Some(&0x47) => {
            "an MPEG transport stream of 192-byte packets"
        }
        [b'#', b'!', b'A', b'M', b'R', ..] => "AMR",
        [b'w', b'v', b'p', b'k', ..] => "WavPack",
        _ => return None,
    })
}

fn by_type(content_type: &str, first: &[u8]) -> Option<&'static str> {
    // LOAS: eleven bits of sync word (ISO/IEC 14496-3, 1.7.2).
    let is_loas = matches!(first, [0x56, second, ..] if second & 0xe0 == 0xe0);
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match kind.as_str() {
        "audio/mp4a-latm" | "audio/aac-latm" | "audio/x-latm" | "audio/latm" => "AAC in LATM",
        _ if is_loas => "AAC in LATM",
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
        let check = |content_type, first: &[u8], expected| {
            assert_eq!(foreign(content_type, first), expected, "{content_type} {first:?}");
        };
        check("audio/MP4A-LATM; rate=48000", b"\x56\xe0", Some("AAC in LATM"));
        check("application/octet-stream", b"\x56\xe1\x20", Some("AAC in LATM"));
        check("video/x-flv", b"FLV\x01\x04", Some("Flash video (FLV)"));
        check("audio/mpeg", b"FLV\x01\x04", Some("Flash video (FLV)"));
        check("audio/ac3", b"\x0b\x77", Some("AC-3"));
        check("application/sdp", b"v=0\r\n", Some("a description of an RTP session (SDP)"));
        check("audio/mpeg", b"\xff\xfb\x90\x64", None);
        check("", b"OggS", None);
        check("", b"", None);
    }
}
