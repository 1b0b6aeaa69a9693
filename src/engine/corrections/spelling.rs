//! Spelling of genres in corrections.

use std::sync::Arc;

/// Returns `genre` in the spelling of the head, true if the head has the label, and otherwise the
/// label with the most similar name.
pub(crate) fn spelled(genre: String, labels: &[Arc<str>]) -> (Arc<str>, bool, Option<Arc<str>>) {
    let lower = genre.to_lowercase();
    if let Some(label) = labels.iter().find(|label| label.to_lowercase() == lower) {
        return (label.clone(), true, None);
    }
    let nearest = labels
        .iter()
        .map(|label| (strsim::damerau_levenshtein(&lower, &label.to_lowercase()), label))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, label)| *distance <= (label.chars().count() / 3).max(1));
    (genre.into(), false, nearest.map(|(_, label)| label.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_the_spelling_of_the_head() {
        let labels: Vec<Arc<str>> = ["jazz", "rnb-soul", "rock"].map(Into::into).into();
        let spelled = |genre: &str| {
            let (genre, known, nearest) = spelled(genre.into(), &labels);
            (genre.to_string(), known, nearest.map(|label| label.to_string()))
        };
        assert_eq!(spelled("JAZZ"), ("jazz".into(), true, None));
        assert_eq!(spelled("jaz"), ("jaz".into(), false, Some("jazz".into())));
        assert_eq!(spelled("rnb soul"), ("rnb soul".into(), false, Some("rnb-soul".into())));
        assert_eq!(spelled("Klezmer"), ("Klezmer".into(), false, None));
    }
}
