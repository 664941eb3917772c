//! Rows with their numbers.

use agentmesh_benches::results::Results;
use serde::Serialize;

use crate::{
    causes,
    rows::{Goal, Peer, Recipe, Row, Section, Unit},
};

/// A section with its numbers; rows that were not measured are left out.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Verdict>,
}

/// A row with its numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) section: &'static str,
    pub(crate) what: &'static str,
    /// In microseconds, or what the row says.
    pub(crate) measured: f64,
    pub(crate) peer: Option<&'static str>,
    pub(crate) theirs: Option<f64>,
    /// In the direction of the goal.
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Option<String>,
    /// Nothing if there is no goal.
    pub(crate) met: Option<bool>,
    /// Why not, if not.
    pub(crate) cause: Option<&'static str>,
}

impl Verdict {
    /// For the terminal.
    pub(crate) fn line(&self) -> String {
        let Self { what, measured, peer, theirs, ratio, goal, met, .. } = self;
        let theirs =
            theirs.map_or(String::new(), |n| format!("{} {}", peer.unwrap_or(""), number(n)));
        let ratio = ratio.map_or(String::new(), |n| format!("{n:.2}"));
        let met = match met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        let goal = goal.as_deref().unwrap_or("");
        format!("{what:<58} {:>9}  {theirs:<28} {ratio:>6}  {goal:<8} {met}", number(*measured))
    }
}

/// With three digits that count.
pub(crate) fn number(n: f64) -> String {
    match n {
        n if n >= 1000.0 => {
            let digits = format!("{:.0}", n);
            let (head, tail) = digits.split_at(digits.len() - 3);
            format!("{head},{tail}")
        }
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

pub(crate) fn judge(sections: &[Section], results: &Results) -> Vec<Judged> {
    sections
        .iter()
        .map(|section| Judged {
            title: section.title,
            rows: section.rows.iter().filter_map(|row| verdict(section, row, results)).collect(),
        })
        .filter(|section| !section.rows.is_empty())
        .collect()
}

fn verdict(section: &Section, row: &Row, results: &Results) -> Option<Verdict> {
    let ours = results.values(row.group, row.ours)?;
    let measured = typical(ours, section.unit)?;
    let (name, theirs, quotient) = match row.peer {
        None => (None, None, None),
        Some((name, peer)) => {
            let theirs = peer_values(peer, row.group, results)?;
            let typical_theirs = typical(&theirs, section.unit)?;
            // What is shared and what is not changes from round to round, so only rounds compare.
            let quotient = match section.unit {
                Unit::Time => measured / typical_theirs,
                Unit::AsIs => median(ours.iter().zip(&theirs).map(|(a, b)| a / b).collect())?,
            };
            (Some(name), Some(typical_theirs), Some(quotient))
        }
    };
    let (ratio, goal, met) = match row.goal {
        Goal::TimeAtMost(most) => {
            (quotient, Some(format!("≤ {}", short(most))), quotient.map(|q| q <= most))
        }
        Goal::RateAtLeast(least) => {
            (quotient, Some(format!("≥ {}", short(least))), quotient.map(|q| q >= least))
        }
        Goal::FasterBy(factor) => {
            let faster = quotient.map(|q| 1.0 / q);
            (faster, Some(format!("≥ {}", short(factor))), faster.map(|f| f >= factor))
        }
        Goal::AtMost(most) => (None, Some(format!("≤ {}", short(most))), Some(measured <= most)),
        // Times read best as how much faster ours is, unless a limit cannot be beaten.
        Goal::Time => match row.peer {
            Some((_, Peer::Limit(_))) => (quotient, None, None),
            _ => (quotient.map(|q| 1.0 / q), None, None),
        },
        Goal::Rate => (quotient, None, None),
    };
    let scale = if section.unit == Unit::Time { 1e-3 } else { 1.0 };
    Some(Verdict {
        section: section.title,
        what: row.what,
        measured: measured * scale,
        peer: name,
        theirs: theirs.map(|n| n * scale),
        ratio,
        goal,
        met,
        cause: causes::of(row.what).filter(|_| met == Some(false)),
    })
}

fn short(n: f64) -> String {
    let text = format!("{n:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn peer_values(peer: Peer, group: &str, results: &Results) -> Option<Vec<f64>> {
    match peer {
        Peer::Beside(contender) => results.values(group, contender).map(<[f64]>::to_vec),
        Peer::Other(group, contender) => results.values(group, contender).map(<[f64]>::to_vec),
        Peer::Limit(recipe) => sum(recipe, |group| {
            let contenders = results.0.get(group)?.values();
            contenders.filter_map(|values| minimum(values)).reduce(f64::min)
        }),
        Peer::Pure(recipe) => sum(recipe, |group| minimum(results.values(group, "pure")?)),
    }
}

fn sum(recipe: Recipe, cost: impl Fn(&str) -> Option<f64>) -> Option<Vec<f64>> {
    let costs = recipe.iter().map(|(count, group)| Some(count * cost(group)?));
    costs.sum::<Option<f64>>().map(|total| vec![total])
}

pub(crate) fn typical(values: &[f64], unit: Unit) -> Option<f64> {
    match unit {
        Unit::Time => minimum(values),
        Unit::AsIs => median(values.to_vec()),
    }
}

pub(crate) fn minimum(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
