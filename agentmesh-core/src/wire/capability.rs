//! Capabilities: how a wish is matched with what an agent offers, and the two messages in which agents settle it
//! (`docs/protocol/native.md` §6.4).
//!
//! Matching is 0.2's, mended: a `*` stands for any characters and nothing else in a pattern means anything, and the
//! work is bounded by the product of the two lengths. Pure; knows neither peers nor messages.

use serde::{Deserialize, Serialize};

use super::json::Object;
use crate::{
    error::errors,
    limits::{MAX_CAPABILITY, MAX_NEGOTIATED},
};

errors! {
    /// Why a proposal of capabilities, or its answer, was refused.
    pub enum CapabilityError {
        /// The text is not the JSON object that it should be.
        #[error("capabilities: not the object that was expected")]
        Malformed = "CAPABILITY_MALFORMED", Protocol, permanent;
        /// More capabilities than one message takes.
        #[error("{actual} capabilities exceed the limit of {limit}")]
        TooMany {
            /// The limit.
            limit: usize,
            /// How many there are.
            actual: usize,
        } = "CAPABILITY_TOO_MANY", InvalidInput, permanent;
        /// A name that is empty or too long.
        #[error("the name of a capability is empty or longer than {limit} bytes")]
        Name {
            /// The limit in bytes.
            limit: usize,
        } = "CAPABILITY_NAME", InvalidInput, permanent;
    }
}

/// How well something offered fits a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// What is offered is more general: `weather` for `weather/forecast`. 0.5.
    Prefix,
    /// The wish had a `*` that it fits: `weather/*` and `weather/forecast`. 0.8.
    Wildcard,
    /// The same name. 1.0.
    Exact,
}

impl Fit {
    /// 0.2's number for it.
    pub const fn score(self) -> f64 {
        match self {
            Self::Prefix => 0.5,
            Self::Wildcard => 0.8,
            Self::Exact => 1.0,
        }
    }

    /// How `offered` fits `wanted`; `None` if it does not.
    ///
    /// ```
    /// use agentmesh_core::wire::capability::Fit;
    ///
    /// assert_eq!(Fit::of("weather/forecast", "weather/forecast"), Some(Fit::Exact));
    /// assert_eq!(Fit::of("weather/*", "weather/forecast"), Some(Fit::Wildcard));
    /// assert_eq!(Fit::of("weather/forecast", "weather"), Some(Fit::Prefix));
    /// assert_eq!(Fit::of("weather", "weather/forecast"), None);
    /// assert_eq!(Fit::of("weather.forecast", "weather/forecast"), None);
    /// ```
    pub fn of(wanted: &str, offered: &str) -> Option<Self> {
        if wanted.is_empty() || offered.is_empty() {
            return None;
        }
        if wanted == offered {
            return Some(Self::Exact);
        }
        if wanted.contains('*') {
            return matches_pattern(wanted, offered).then_some(Self::Wildcard);
        }
        let below = wanted.strip_prefix(offered).is_some_and(|rest| rest.starts_with('/'));
        below.then_some(Self::Prefix)
    }
}

/// Whether `text` is `pattern` with something, or nothing, for each `*`. One pass with one point to return to.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                pattern = rest;
                retry = Some((rest, text));
            }
            (Some((p, p_rest)), Some((t, t_rest))) if p == t => (pattern, text) = (p_rest, t_rest),
            (None, None) => return true,
            _ => {
                // The last `*` takes one more.
                let Some((after_star, from)) = retry else { return false };
                let Some((_, from)) = from.split_first() else { return false };
                (pattern, text) = (after_star, from);
                retry = Some((after_star, from));
            }
        }
    }
}

/// What fits one wish best.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The wish.
    pub wanted: String,
    /// What is offered for it.
    pub offered: String,
    /// How well it fits.
    pub fit: Fit,
}

/// For each wish the best that is offered, in the order of the wishes. Of equals, the first one offered.
pub fn match_all<'a>(
    wanted: impl IntoIterator<Item = &'a str>,
    offered: &[impl AsRef<str>],
) -> Vec<Match> {
    let best = |wish: &'a str| -> Option<Match> {
        let mut best: Option<(&str, Fit)> = None;
        for offered in offered.iter().map(AsRef::as_ref) {
            if let Some(fit) = Fit::of(wish, offered)
                && best.is_none_or(|(_, so_far)| fit > so_far)
            {
                best = Some((offered, fit));
            }
        }
        best.map(|(offered, fit)| Match {
            wanted: wish.to_owned(),
            offered: offered.to_owned(),
            fit,
        })
    };
    wanted.into_iter().filter_map(best).collect()
}

/// The payload of a capability negotiation: what its sender wants of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The wishes, at most [`MAX_NEGOTIATED`], each 1 to [`MAX_CAPABILITY`] bytes.
    pub wanted: Vec<String>,
}

impl Proposal {
    /// As JSON text.
    ///
    /// # Errors
    /// [`CapabilityError::TooMany`], [`CapabilityError::Name`].
    pub fn to_json(&self) -> Result<String, CapabilityError> {
        check(self.wanted.len(), self.wanted.iter())?;
        serde_json::to_string(self).map_err(|_| CapabilityError::Malformed)
    }

    /// Reads a proposal.
    ///
    /// # Errors
    /// [`CapabilityError`]
    pub fn parse(json: &str) -> Result<Self, CapabilityError> {
        let Object(proposal): Object<Self> =
            serde_json::from_str(json).map_err(|_| CapabilityError::Malformed)?;
        check(proposal.wanted.len(), proposal.wanted.iter())?;
        Ok(proposal)
    }
}

/// The payload of the answer: what is agreed on. A wish that is not in it was not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// What is granted for each wish.
    pub agreed: Vec<Match>,
}

impl Agreement {
    /// As JSON text.
    ///
    /// # Errors
    /// [`CapabilityError::TooMany`], [`CapabilityError::Name`].
    pub fn to_json(&self) -> Result<String, CapabilityError> {
        check(self.agreed.len(), self.agreed.iter().flat_map(|m| [&m.wanted, &m.offered]))?;
        serde_json::to_string(self).map_err(|_| CapabilityError::Malformed)
    }

    /// Reads an answer to `proposal`. What it grants beyond the wishes, or calls a fit that is none, is left out:
    /// the peer cannot talk us into something that we did not ask for.
    ///
    /// # Errors
    /// [`CapabilityError`]
    pub fn parse(json: &str, proposal: &Proposal) -> Result<Self, CapabilityError> {
        let Object(Self { mut agreed }) =
            serde_json::from_str(json).map_err(|_| CapabilityError::Malformed)?;
        check(agreed.len(), agreed.iter().flat_map(|m| [&m.wanted, &m.offered]))?;
        agreed.retain(|m| {
            proposal.wanted.contains(&m.wanted) && Fit::of(&m.wanted, &m.offered) == Some(m.fit)
        });
        Ok(Self { agreed })
    }

    /// What was granted for a wish.
    pub fn granted(&self, wanted: &str) -> Option<&Match> {
        self.agreed.iter().find(|m| m.wanted == wanted)
    }

    /// Wishes of `proposal` that were not granted.
    pub fn missing<'a>(&self, proposal: &'a Proposal) -> Vec<&'a str> {
        let wanted = proposal.wanted.iter().map(String::as_str);
        wanted.filter(|wish| self.granted(wish).is_none()).collect()
    }
}

fn check<'a>(count: usize, names: impl Iterator<Item = &'a String>) -> Result<(), CapabilityError> {
    if count > MAX_NEGOTIATED {
        return Err(CapabilityError::TooMany { limit: MAX_NEGOTIATED, actual: count });
    }
    for name in names {
        if name.is_empty() || name.len() > MAX_CAPABILITY {
            return Err(CapabilityError::Name { limit: MAX_CAPABILITY });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fits_are_those_of_the_protocol() {
        let cases = [
            ("a/b", "a/b", Some(Fit::Exact)),
            ("*", "a/b", Some(Fit::Wildcard)),
            ("a/*", "a/b/c", Some(Fit::Wildcard)),
            ("a/*/c", "a/b/c", Some(Fit::Wildcard)),
            ("*/c", "a/b/c", Some(Fit::Wildcard)),
            ("a*", "a", Some(Fit::Wildcard)),
            ("a/*", "a", None),
            ("a/b/c", "a/b", Some(Fit::Prefix)),
            ("a/b/c", "a", Some(Fit::Prefix)),
            ("ab/c", "a", None),
            ("a", "a/b", None),
            // Offers are no patterns: nobody offers everything by writing a star.
            ("a/b", "*", None),
            ("*", "*", Some(Fit::Exact)),
            ("", "", None),
            ("*", "", None),
        ];
        for (wanted, offered, fit) in cases {
            assert_eq!(Fit::of(wanted, offered), fit, "{wanted} and {offered}");
        }
        assert_eq!([Fit::Exact, Fit::Wildcard, Fit::Prefix].map(Fit::score), [1.0, 0.8, 0.5]);
    }

    /// 0.2 made a regular expression of the wish without escaping it.
    #[test]
    fn characters_of_regular_expressions_stand_for_themselves() {
        for wanted in ["a.b*", "a[b]*", "(a|b)*", "a+*", "^a*", "a$*", "a\\d*", "(a+)+*"] {
            let literal = wanted.replace('*', "");
            assert_eq!(Fit::of(wanted, &literal), Some(Fit::Wildcard), "{wanted}");
            assert_eq!(Fit::of(wanted, "ab"), None, "{wanted}");
            assert_eq!(Fit::of(wanted, "axb"), None, "{wanted}");
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_the_lengths_allow() {
        let wanted = "*a".repeat(MAX_CAPABILITY / 2);
        assert_eq!(Fit::of(&wanted, &"a".repeat(MAX_CAPABILITY - 1)), Some(Fit::Wildcard));
        assert_eq!(Fit::of(&wanted, &format!("{}b", "a".repeat(MAX_CAPABILITY - 1))), None);
    }

    #[test]
    fn more_wishes_than_the_limit_are_refused_on_both_ways() {
        let names: Vec<_> = (0..=MAX_NEGOTIATED).map(|n| format!("c{n}")).collect();
        let (limit, actual) = (MAX_NEGOTIATED, MAX_NEGOTIATED + 1);
        let too_many = CapabilityError::TooMany { limit, actual };
        let sent = Proposal { wanted: names.clone() }.to_json();
        assert_eq!(sent.unwrap_err(), too_many);
        let text = format!("{{\"wanted\":{}}}", serde_json::to_string(&names).unwrap());
        assert_eq!(Proposal::parse(&text).unwrap_err(), too_many);
    }

    #[test]
    fn best_offer_wins_and_order_is_that_of_the_wishes() {
        let offered = ["weather", "weather/forecast", "travel/flights"];
        let wanted = ["travel/*", "weather/forecast", "weather/history", "food"];
        let found = match_all(wanted, &offered);
        let found: Vec<_> = found.iter().map(|m| (m.offered.as_str(), m.fit)).collect();
        let expected = [
            ("travel/flights", Fit::Wildcard),
            ("weather/forecast", Fit::Exact),
            ("weather", Fit::Prefix),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn peer_cannot_grant_what_was_not_asked_for() {
        let proposal = Proposal { wanted: vec!["a/b".into(), "c".into()] };
        let json = r#"{"agreed":[
            {"wanted":"a/b","offered":"a","fit":"prefix"},
            {"wanted":"c","offered":"d","fit":"exact"},
            {"wanted":"x","offered":"x","fit":"exact"}]}"#;
        let agreement = Agreement::parse(json, &proposal).unwrap();
        assert_eq!(agreement.agreed.len(), 1);
        assert_eq!(agreement.granted("a/b").unwrap().offered, "a");
        assert_eq!(agreement.missing(&proposal), ["c"]);
        assert_eq!(Agreement::parse("[]", &proposal), Err(CapabilityError::Malformed));
        let json = agreement.to_json().unwrap();
        assert_eq!(Agreement::parse(&json, &proposal).unwrap(), agreement);
    }

    #[test]
    fn proposals_are_bounded() {
        let of = |n: usize| Proposal { wanted: vec!["x".into(); n] };
        let json = of(MAX_NEGOTIATED).to_json().unwrap();
        assert_eq!(Proposal::parse(&json), Ok(of(MAX_NEGOTIATED)));
        assert!(of(MAX_NEGOTIATED + 1).to_json().is_err());
        let empty = Proposal { wanted: vec![String::new()] };
        assert_eq!(empty.to_json(), Err(CapabilityError::Name { limit: MAX_CAPABILITY }));
        for odd in ["", "[]", "[[]]", "{}", r#"{"wanted":[1]}"#, r#"{"wanted":"x"}"#] {
            assert_eq!(Proposal::parse(odd), Err(CapabilityError::Malformed), "{odd}");
        }
    }

    /// What the one pass must agree with: every `*` tried with every length.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| by_definition(rest, &text[n..])),
            Some((p, rest)) => text.first() == Some(p) && by_definition(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn pattern_means_what_it_says(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let expected = by_definition(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches_pattern(&pattern, &text), expected);
        }
    }
}
