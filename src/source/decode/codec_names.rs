//! Names of codecs that are not decoded, by the identifiers that containers use.

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::*;

/// Name of the codec that a demuxer recognised.
pub(super) fn of_id(id: AudioCodecId) -> Option<&'static str> {
    Some(match id {
        CODEC_ID_AC3 => "AC-3",
        CODEC_ID_AC4 => "AC-4",
        CODEC_ID_EAC3 => "E-AC-3",
        CODEC_ID_DCA => "DTS",
        CODEC_ID_TRUEHD => "TrueHD",
        CODEC_ID_WMA => "WMA",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_MUSEPACK => "Musepack",
        CODEC_ID_WAVPACK => "WavPack",
        CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        CODEC_ID_TTA => "TTA",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_RA10 | CODEC_ID_RA20 | CODEC_ID_SIPR | CODEC_ID_COOK | CODEC_ID_RALF => "RealAudio",
        CODEC_ID_ATRAC1 | CODEC_ID_ATRAC3 | CODEC_ID_ATRAC3PLUS | CODEC_ID_ATRAC9 => "ATRAC",
        CODEC_ID_SBC => "SBC",
        CODEC_ID_APTX | CODEC_ID_APTX_HD => "aptX",
        CODEC_ID_LDAC => "LDAC",
        _ => return None,
    })
}

/// Name for a `CodecID` of Matroska (Matroska codec specifications, "A_…"); the identifier itself where it is unknown.
pub(super) fn of_matroska(codec_id: &str) -> String {
    let known = [
        ("A_EAC3", "E-AC-3"),
        ("A_AC3", "AC-3"),
        ("A_DTS", "DTS"),
        ("A_TRUEHD", "TrueHD"),
        ("A_MLP", "MLP"),
        ("A_MPC", "Musepack"),
        ("A_TTA", "TTA"),
        ("A_WAVPACK", "WavPack"),
        ("A_REAL", "RealAudio"),
        ("A_ATRAC", "ATRAC"),
        ("A_SPEEX", "Speex"),
        ("A_MS/ACM", "Windows ACM audio"),
        ("A_QUICKTIME", "QuickTime audio"),
    ];
    let found = known.iter().find(|(prefix, _)| codec_id.starts_with(prefix));
    found.map_or_else(|| format!("`{codec_id}`"), |(_, name)| (*name).into())
}

/// Name for the format of a sample entry (ISO/IEC 14496-12, 8.5.2; QuickTime File Format; mp4ra.org);
/// `None` where the demuxer knows it.
pub(super) fn of_sample_entry(format: [u8; 4]) -> Option<String> {
    const KNOWN: [&[u8; 4]; 16] = [
        b"mp4a", b"alac", b"fLaC", b"Opus", b".mp3", b"lpcm", b"raw ", b"sowt", b"twos", b"in24", b"in32",
        b"fl32", b"fl64", b"ulaw", b"alaw", b"wave",
    ];
    if KNOWN.contains(&&format) {
        return None;
    }
    Some(match &format {
        b"ac-3" | b"sac3" => "AC-3".into(),
        b"ec-3" => "E-AC-3".into(),
        b"ac-4" => "AC-4".into(),
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"dtsx" | b"DTS " => "DTS".into(),
        b"mlpa" => "TrueHD".into(),
        b"samr" | b"sawb" | b"sawp" => "AMR".into(),
        b"sevc" => "EVRC".into(),
        b"sqcp" | b"Qclp" => "QCELP".into(),
        b"mha1" | b"mhm1" | b"mha2" | b"mhm2" => "MPEG-H audio".into(),
        b"ima4" => "IMA ADPCM of QuickTime".into(),
        b"MAC3" | b"MAC6" => "MACE".into(),
        b"QDM2" | b"QDMC" => "QDesign Music".into(),
        b"enca" | b"drms" => "encrypted audio".into(),
        b"spex" => "Speex".into(),
        b"ms\0\x02" => "Microsoft ADPCM".into(),
        [b'm', b's', high, low] => format!("audio of Windows format tag 0x{high:02X}{low:02X}"),
        format => format!("`{}`", format.escape_ascii()),
    })
}

/// Name of the logical stream that begins with `packet`, for the codecs that Ogg carries; `None` where it is decoded or no audio.
pub(super) fn of_ogg(packet: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| packet.starts_with(magic);
    if begins(b"Speex   ") {
        Some("Speex")
    } else if begins(b"PCM     ") {
        Some("OggPCM")
    } else if begins(b"OpusHead") && packet.get(18).is_some_and(|family| *family > 1) {
        Some("Opus of a channel mapping that is not supported")
    } else if begins(b"CELT    ") {
        Some("CELT")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_named() {
        assert_eq!(of_id(CODEC_ID_EAC3), Some("E-AC-3"));
        assert_eq!(of_id(CODEC_ID_MP3), None);
        assert_eq!(of_matroska("A_AC3/BSID9"), "AC-3");
        assert_eq!(of_matroska("A_DTS/LOSSLESS"), "DTS");
        assert_eq!(of_matroska("A_NEW"), "`A_NEW`");
        assert_eq!(of_sample_entry(*b"samr").as_deref(), Some("AMR"));
        assert_eq!(of_sample_entry(*b"ms\x00\x11").as_deref(), Some("audio of Windows format tag 0x0011"));
        assert_eq!(of_sample_entry(*b"a\nb ").as_deref(), Some("`a\\nb `"));
        assert_eq!(of_sample_entry(*b"mp4a"), None);
        assert_eq!(of_ogg(b"Speex   1.2"), Some("Speex"));
        assert_eq!(of_ogg(b"\x01vorbis"), None);
    }
}
