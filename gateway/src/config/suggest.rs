//! "Did you mean": the known word nearest to an unknown one.

/// The candidate that is few slips of the finger away from `word`, if one is.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = normal(word);
    // Longer words bear more slips; the bound also keeps the work small for keys of any length.
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= allowed)
        .map(|candidate| (distance(&word, &normal(candidate)), candidate))
        .filter(|(slips, _)| *slips <= allowed)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Case and the kind of dash are no slips.
fn normal(word: &str) -> String {
    word.chars()
        .take(64)
        .flat_map(char::to_lowercase)
        .map(|c| if c == '-' { '_' } else { c })
        .collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (row[j] + 1).min(next[j - 1] + 1).min(row[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn slips_are_counted() {
        for (a, b, slips) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("device", "devcie", 1),
            ("interfaces", "interface", 1),
            ("udp", "tcp", 2),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(a, b), slips, "{a} -> {b}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["interfaces", "snat", "on_failure", "dns"];
        for (word, expected) in [
            ("interface", Some("interfaces")),
            ("on-failure", Some("on_failure")),
            ("SNAT", Some("snat")),
            ("snta", Some("snat")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
