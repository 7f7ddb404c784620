//! What a misspelt word may have meant.

/// The nearest of the known words, if one is near: at most a third of the letters differ.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // Nobody misspells a name of a thousand letters, and comparing them would cost a million steps.
    if word.len() > 64 {
        return None;
    }
    let word_lower = word.to_lowercase();
    known
        .iter()
        .map(|&candidate| (distance(&word_lower, &candidate.to_lowercase()), candidate))
        .min()
        .filter(|&(distance, candidate)| distance <= candidate.len().div_ceil(3))
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, taken away, changed, or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut last = None;
    for (i, letter) in from.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, &other) in to.iter().enumerate() {
            let mut least =
                (above[j] + usize::from(letter != other)).min(above[j + 1] + 1).min(row[j] + 1);
            if j > 0 && last == Some(other) && to[j - 1] == letter {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
        last = Some(letter);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_not() {
        let known = ["podSelector", "policyTypes", "ingress", "egress"];
        for (word, expected) in [
            ("podselector", Some("podSelector")),
            ("podSelecotr", Some("podSelector")),
            ("polcyTypes", Some("policyTypes")),
            ("engress", Some("egress")),
            ("ingres", Some("ingress")),
            ("nodeName", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }
}
