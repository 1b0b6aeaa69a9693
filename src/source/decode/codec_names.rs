//! Names of unsupported codecs, by the identifiers that containers use.

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::*;

use super::refusal::Unsupported;

/// Name of a codec that a demuxer recognised.
pub(super) fn of_id(id: AudioCodecId) -> Option<&'static str> {
    Some(match id {
        CODEC_ID_AC3 => "AC-3",
        CODEC_ID_AC4 => "AC-4",
        CODEC_ID_EAC3 => "E-AC-3",
        CODEC_ID_DCA => "DTS",
        CODEC_ID_TRUEHD => "Dolby TrueHD",
        CODEC_ID_WMA => "Windows Media Audio",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_MUSEPACK => "Musepack",
        CODEC_ID_WAVPACK => "WavPack",
        CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        CODEC_ID_TTA => "TTA (True Audio)",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_RA10 | CODEC_ID_RA20 | CODEC_ID_SIPR | CODEC_ID_COOK | CODEC_ID_RALF => "RealAudio",
        CODEC_ID_ATRAC1 | CODEC_ID_ATRAC3 | CODEC_ID_ATRAC3PLUS | CODEC_ID_ATRAC9 => "ATRAC",
        CODEC_ID_SBC => "SBC",
        CODEC_ID_APTX | CODEC_ID_APTX_HD => "aptX",
        CODEC_ID_LDAC => "LDAC",
        _ => return None,
    })
}

/// Name for a Matroska `CodecID` (Matroska codec specifications, "A_…"); the identifier itself if
/// unknown.
pub(super) fn of_matroska(codec_id: &str) -> Unsupported {
    const NAMES: &[(&str, &str)] = &[
        ("A_EAC3", "E-AC-3"),
        ("A_AC3", "AC-3"),
        ("A_DTS", "DTS"),
        ("A_TRUEHD", "Dolby TrueHD"),
        ("A_MLP", "MLP"),
        ("A_MPC", "Musepack"),
        ("A_TTA", "TTA (True Audio)"),
        ("A_WAVPACK", "WavPack"),
        ("A_REAL", "RealAudio"),
        ("A_ATRAC", "ATRAC"),
        ("A_SPEEX", "Speex"),
        ("A_MS/ACM", "Windows ACM audio"),
        ("A_QUICKTIME", "QuickTime audio"),
    ];
    match NAMES.iter().find(|(prefix, _)| codec_id.starts_with(prefix)) {
        Some((_, name)) => Unsupported::codec(name, "Matroska"),
        None => Unsupported::codec(&format!("`{}`", codec_id.escape_debug()), "Matroska"),
    }
}

/// Name for a sample entry format (ISO/IEC 14496-12, 8.5.2; the registration authority's list,
/// mp4ra.org; QuickTime File Format).
pub(super) fn of_sample_entry(format: [u8; 4]) -> Option<Unsupported> {
    let (name, container) = match &format {
        b"ac-3" | b"sac3" => ("AC-3", "MP4"),
        b"ec-3" => ("E-AC-3", "MP4"),
        b"ac-4" => ("AC-4", "MP4"),
        b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" | b"dts+" | b"dts-" | b"dtsx" | b"DTS " => ("DTS", "MP4"),
        b"mlpa" => ("Dolby TrueHD", "MP4"),
        b"samr" | b"sawb" | b"sawp" => ("AMR", "MP4"),
        b"sqcp" | b"Qclp" => ("QCELP", "MP4"),
        b"sevc" => ("EVRC", "MP4"),
        b"mha1" | b"mha2" | b"mhm1" | b"mhm2" => ("MPEG-H 3D Audio", "MP4"),
        b"spex" => ("Speex", "MP4"),
        b"MAC3" | b"MAC6" => ("MACE", "QuickTime"),
        b"QDM2" | b"QDMC" => ("QDesign Music", "QuickTime"),
        b"agsm" => ("GSM 6.10", "QuickTime"),
        b"ms\0\x02" | b"ms\0\x11" => ("Microsoft ADPCM", "QuickTime"),
        b"enca" | b"drms" => return Some(Unsupported::proprietary("encrypted audio in MP4")),
        [b'm', b's', high, low] => {
            let tag = u16::from_be_bytes([*high, *low]);
            (format_tag(tag)?, "QuickTime")
        }
        _ => return None,
    };
    Some(Unsupported::codec(name, container))
}

/// Name of the logical Ogg stream that begins with `packet`; `None` if it is decoded or not audio.
pub(super) fn of_ogg(packet: &[u8]) -> Option<Unsupported> {
    let begins = |magic: &[u8]| packet.starts_with(magic);
    if begins(b"Speex   ") {
        Some(Unsupported::audio("Speex in Ogg"))
    } else if begins(b"CELT    ") {
        Some(Unsupported::proprietary("CELT in Ogg"))
    } else if begins(b"PCM     ") {
        Some(Unsupported::audio("PCM in Ogg"))
    } else {
        None
    }
}

/// Name for an unsupported WAV format tag.
pub(super) fn of_wave(tag: u16) -> Unsupported {
    match format_tag(tag) {
        Some(name) => Unsupported::codec(name, "WAV"),
        None => format!("WAV with an unknown codec (format tag 0x{tag:04X})").into(),
    }
}

/// Name for a format tag (RFC 2361 and Microsoft's `mmreg.h`).
fn format_tag(tag: u16) -> Option<&'static str> {
    Some(match tag {
        0x0005 => "IBM CVSD",
        0x0008 | 0x2001 => "DTS",
        0x0010 => "OKI ADPCM",
        0x0017 => "Dialogic OKI ADPCM",
        0x0020 => "Yamaha ADPCM",
        0x0022 => "TrueSpeech",
        0x0031 => "GSM 6.10",
        0x0042 | 0x0111 => "G.723.1",
        0x0045 | 0x0064 => "G.726 ADPCM",
        0x0057 => "AMR",
        0x0065 | 0x028f => "G.722",
        0x0083 => "G.729",
        0x0092 | 0x2000 => "AC-3",
        0x00ff | 0xa106 => "AAC without ADTS headers",
        0x0160 | 0x0161 => "Windows Media Audio",
        0x0162 => "Windows Media Audio Professional",
        0x0163 => "Windows Media Audio Lossless",
        0x0200 => "Creative ADPCM",
        0x0270 => "ATRAC3",
        0x1601 | 0x1602 => "AAC in LATM/LOAS",
        0x566f | 0x674f | 0x6750 | 0x6751 | 0x676f | 0x6770 | 0x6771 => "Vorbis",
        0x704f => "Opus",
        0xa109 => "Speex",
        0xf1ac => "FLAC",
        _ => return None,
    })
}

/// Name for an AIFF-C compression type.
pub(super) fn of_aiff(kind: &[u8; 4]) -> Unsupported {
    Unsupported::audio(match kind {
        b"MAC3" | b"MAC6" => "MACE in AIFF-C",
        b"QDM2" | b"QDMC" => "QDesign Music in AIFF-C",
        b"Qclp" => "QCELP in AIFF-C",
        b"G722" => "G.722 in AIFF-C",
        b"GSM " | b"agsm" => "GSM 6.10 in AIFF-C",
        b"SDX2" => "SDX2 DPCM in AIFF-C",
        b"ADP4" => "ADPCM (ADP4) in AIFF-C",
        b"ima4" => "ADPCM of more than two channels in AIFF-C",
        _ => "AIFF-C with an unknown codec",
    })
}

/// Name for an unsupported CAF format.
pub(super) fn of_caf(kind: &[u8]) -> Unsupported {
    Unsupported::audio(match kind {
        b"aach" | b"aacl" | b"aace" | b"aacf" | b"aacp" | b"aacs" => "AAC other than AAC-LC in CAF",
        b"opus" => "Opus in CAF",
        b"flac" => "FLAC in CAF",
        b"ac-3" => "AC-3 in CAF",
        b"ilbc" => "iLBC in CAF",
        b"samr" => "AMR in CAF",
        b"ima4" => "ADPCM of more than two channels in CAF",
        _ => "CAF with an unknown codec",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_named() {
        let of_sample_entry =
            |format: &[u8; 4]| super::of_sample_entry(*format).map(|format| format.name.into_owned());
        assert_eq!(of_id(CODEC_ID_EAC3), Some("E-AC-3"));
        assert_eq!(of_id(CODEC_ID_MP3), None);
        assert_eq!(of_matroska("A_AC3/BSID9").name, "AC-3 in Matroska");
        assert_eq!(of_matroska("A_DTS/LOSSLESS").name, "DTS in Matroska");
        assert_eq!(of_matroska("A_NEW").name, "`A_NEW` in Matroska");
        assert_eq!(of_sample_entry(b"samr").as_deref(), Some("AMR in MP4"));
        assert_eq!(of_sample_entry(b"ms\x00\x31").as_deref(), Some("GSM 6.10 in QuickTime"));
        assert_eq!(of_sample_entry(b"mp4a"), None);
        assert_eq!(of_ogg(b"Speex   1.2").unwrap().name, "Speex in Ogg");
        assert_eq!(of_ogg(b"\x01vorbis"), None);
        assert_eq!(of_wave(0x2001).name, "DTS in WAV");
    }
}
