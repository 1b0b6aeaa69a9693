//! Slugs: names in any script, transliterated for topics and identifiers.
//!
//! The rules are those of `slugify` in Home Assistant, which calls python-slugify 8.0.4 with
//! text-unidecode 1.3 and the separator `_`: compatibility decomposition (NFKD), transliteration to
//! ASCII, lower case, and one `_` for each run of other characters. The transliteration table is
//! that of the crate `deunicode`. It gives the same slugs except for rare characters, most of which
//! text-unidecode does not know: Cyrillic and Arabic letters of small languages, recent currency
//! signs, CJK extension A. They are transliterated here and dropped there.

use deunicode::deunicode_char;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::topics::sanitise;

/// Returns the name in topics for the display name `name`.
///
/// An ASCII name keeps its letters and their case, so that its topics stay what they are
/// ([`sanitise`]). A name with other letters is slugified. A name without a letter or digit (`🎸`)
/// gets `fallback` and six hexadecimal digits of its SHA-256 hash, so that the result depends on
/// the name alone.
pub(crate) fn topic_name(name: &str, fallback: &str) -> String {
    let slug = if name.is_ascii() { sanitise(name) } else { slugify(name) };
    if slug.contains(|c: char| c.is_ascii_alphanumeric()) {
        return slug;
    }
    let hash = Sha256::digest(name.as_bytes());
    let digits: String = hash.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("{fallback}_{digits}")
}

/// `name` in `[a-z0-9_]`, without `_` at either end and without `__`; may be empty.
pub(crate) fn slugify(name: &str) -> String {
    let ascii = transliterate(name);
    let mut slug = String::with_capacity(ascii.len());
    let mut characters = ascii.chars().peekable();
    while let Some(c) = characters.next() {
        let in_number = || slug.ends_with(|last: char| last.is_ascii_digit());
        match c {
            // A thousands separator joins the digits around it.
            ',' if in_number() && characters.peek().is_some_and(char::is_ascii_digit) => {}
            // An apostrophe that the transliteration made is part of a word, as in `Ol'ga`.
            '\'' => {}
            _ if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
            _ if slug.is_empty() || slug.ends_with('_') => {}
            _ => slug.push('_'),
        }
    }
    slug.truncate(slug.trim_end_matches('_').len());
    slug
}

/// Transliterates `name` to ASCII. Typed apostrophes become `-`.
fn transliterate(name: &str) -> String {
    let mut ascii = String::with_capacity(name.len());
    for c in name.replace('\'', "-").nfkd() {
        match c {
            _ if c.is_ascii() => ascii.push(c),
            // Arrows, technical signs, dingbats: text-unidecode has no letters for them.
            '\u{2190}'..='\u{2bff}' => ascii.push(' '),
            // Madda, superscript alef, maqaf, handakuten, katakana middle dot: nothing there.
            '\u{653}' | '\u{670}' | '\u{5be}' | '\u{309a}' | '\u{30fb}' => {}
            // Emoji, and scripts that text-unidecode does not know.
            '\u{10000}'.. => {}
            _ => ascii.push_str(deunicode_char(c).unwrap_or_default()),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::super::topics::valid_name;
    use super::*;

    /// `slugify(name, separator="_")` of python-slugify 8.0.4 with text-unidecode 1.3.
    const PYTHON_SLUGIFY: &[(&str, &str)] = &[
        ("Küche Süd", "kuche_sud"),
        ("Straße", "strasse"),
        ("Größe", "grosse"),
        ("Ærø", "aero"),
        ("Åse på øya", "ase_pa_oya"),
        ("Þórshöfn", "thorshofn"),
        ("Łódź", "lodz"),
        ("İstanbul ığdır", "istanbul_igdir"),
        ("Çanakkale", "canakkale"),
        ("Ñandú", "nandu"),
        ("Crème brûlée", "creme_brulee"),
        ("Ľubľana", "lublana"),
        ("Đorđe", "dorde"),
        ("Ħamrun", "hamrun"),
        ("Радио Маяк", "radio_maiak"),
        ("Ольга", "olga"),
        ("Київ", "kiiv"),
        ("България", "blgariia"),
        ("Ђурђевдан", "djurdjevdan"),
        ("Ραδιόφωνο", "radiophono"),
        ("Αθήνα 9,84", "athena_984"),
        ("北京", "bei_jing"),
        ("廣播電台", "guang_bo_dian_tai"),
        ("東京ラジオ", "dong_jing_rasio"),
        ("ガガーリン", "kakarin"),
        ("パーティー", "hatei"),
        ("キッチン", "kitutin"),
        ("한국방송", "hangugbangsong"),
        ("서울", "seoul"),
        ("آبادان", "bdn"),
        ("スーパー・ラジオ", "suharasio"),
        ("בית־ספר", "bytspr"),
        ("راديو", "rdyw"),
        ("القاهرة", "lqhr"),
        ("رادیو فردا", "rdyw_frd"),
        ("קול ישראל", "qvl_yshrl"),
        ("रेडियो", "reddiyo"),
        ("ไทย", "aithy"),
        ("ქართული", "k_art_uli"),
        ("Հայաստան", "hayastan"),
        ("አዲስ", "adise"),
        ("Tiếng Việt", "tieng_viet"),
        ("Ǆemal", "dzemal"),
        ("①②", "12"),
        ("㎞", "km"),
        ("ﬁsh", "fish"),
        ("ＦＭ１", "fm1"),
        ("½ Liter", "1_2_liter"),
        ("Nº 5", "no_5"),
        ("Anna's Radio", "anna_s_radio"),
        ("Anna’s Radio", "annas_radio"),
        ("Rock & Roll", "rock_roll"),
        ("1,000 Hits", "1000_hits"),
        ("hw:0,0", "hw_00"),
        ("song (live).mp3", "song_live_mp3"),
        ("host.example.org", "host_example_org"),
        ("Living Room", "living_room"),
        (" padded ", "padded"),
        ("a  b", "a_b"),
        ("a - b", "a_b"),
        ("Küche/links", "kuche_links"),
        ("Café", "cafe"),
        ("Cafe\u{301}", "cafe"),
        ("🎸 Küche", "kuche"),
        ("Küche 🎸", "kuche"),
        ("100 %", "100"),
        ("C++", "c"),
        ("x\u{a0}y", "x_y"),
        ("tab\there", "tab_here"),
        ("naïve—dash", "naive_dash"),
        ("“quoted”", "quoted"),
        ("√2", "2"),
        ("№ 7", "no_7"),
        ("€ 5", "eur_5"),
        ("日本", "ri_ben"),
        ("İ", "i"),
        ("ǅ", "dz"),
        ("ŉ", "n"),
        ("Ω", "o"),
        ("ˈkiː", "ki"),
        ("Ünïcödé Ràdïó", "unicode_radio"),
        ("Đ", "d"),
        ("ə", ""),
        ("Ⅷ", "viii"),
    ];

    #[test]
    fn slugs_are_those_of_python_slugify() {
        for (name, expected) in PYTHON_SLUGIFY {
            assert_eq!(slugify(name), *expected, "`{name}`");
            assert!(expected.is_empty() || valid_name(expected), "`{expected}`");
        }
    }

    /// Characters that python-slugify drops, because text-unidecode 1.3 does not know them, and
    /// five Chinese ones that it transliterates in another way: 么 什 价 旅 术.
    #[test]
    fn deviations_from_python_slugify() {
        for (name, python, here) in [
            ("₹ 100", "100", "rs_100"),
            ("Ԁ", "", "d"),
            ("㐀", "", "qiu"),
            ("旅", "lu", "lv"),
            ("什", "shi", "shen"),
        ] {
            assert_eq!(slugify(name), here, "`{name}`, `{python}` in Python");
        }
    }

    #[test]
    fn ascii_names_keep_their_topics() {
        for (name, expected) in [
            ("Studio-1", "Studio-1"),
            ("studio1", "studio1"),
            ("_hidden", "_hidden"),
            ("Living Room", "Living_Room"),
            ("hw:0,0", "hw_0_0"),
            ("a__b", "a_b"),
        ] {
            assert_eq!(topic_name(name, "source"), expected);
        }
        assert_eq!(topic_name("K\u{fc}che S\u{fc}d", "source"), "kuche_sud");
    }

    #[test]
    fn a_name_without_letters_gets_a_stable_one() {
        // `printf 🎸 | sha256sum`
        assert_eq!(topic_name("🎸", "source"), "source_9c09c3");
        assert_ne!(topic_name("🎸", "source"), topic_name("🎷", "source"));
        assert!(valid_name(&topic_name("++", "source")));
    }
}
