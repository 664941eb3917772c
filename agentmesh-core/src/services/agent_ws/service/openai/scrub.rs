//! What another service says, made fit for a client: one line, short, without anything that looks like a key.

use super::SecretText;

/// Characters that are passed on.
const MAX: usize = 200;
const REMOVED: &str = "[removed]";

/// See the module.
pub(super) fn scrub(text: &str, key: Option<&SecretText>) -> String {
    let text = match key.filter(|key| !key.is_empty()) {
        Some(key) => text.replace(key.expose(), REMOVED),
        None => text.to_owned(),
    };
    let words = text.split_whitespace().map(|word| {
        // Keys of these services begin so, whoever's they are, and whatever punctuation is around them.
        if word.contains("sk-") { REMOVED } else { word }
    });
    words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lines_and_length_are_gone() {
        let key = SecretText::trimmed("very-secret-key");
        let said = "Bad key \"sk-or-v1-abc123\"\nor very-secret-key\u{1b}[2J, see";
        let text = scrub(said, Some(&key));
        assert_eq!(text, "Bad key [removed] or [removed][2J, see");
        assert_eq!(scrub(&"x".repeat(1000), None).len(), 200);
    }
}
