//! Reads segment files, and finds those that lead back to themselves.

use std::collections::{BTreeMap, BTreeSet};

use kairos_engine::playbook::Segment;

use crate::conditions::condition;
use crate::diagnostic::{Found, Place, Report, Target};
use crate::fields::Fields;
use crate::node::Node;
use crate::possible::is_always;
use crate::values::caption;

/// Reads one file of `segments/`.
pub(crate) fn segment(report: &mut Report<'_>, root: &Node, name: &str) -> Option<Segment> {
    let fields = Fields::read(report, root, "a segment", &["title", "who"])?;
    let title = fields.required(report, "a segment", "title", "write `title:` and its name for people");
    let title = title.and_then(|node| caption(report, node, "`title`"));
    let who = fields.required(report, "a segment", "who", "write `who:` and a condition");
    let who = who.and_then(|node| {
        let who = condition(report, node, 1)?;
        if let Some(always) = is_always(&who) {
            let (message, help) = if always {
                ("everybody is always in this segment", "narrow `who`; a condition and its opposite stand side by side")
            } else {
                ("nobody can ever be in this segment", "look for conditions that exclude each other")
            };
            report.problem(node.at, message, help);
        }
        Some(who)
    });
    Some(Segment { name: name.into(), title: title?, who: who? })
}

/// Tells of segments that depend on themselves, by way of others or not. `files` are all texts by their path.
pub(crate) fn check_circles(files: &BTreeMap<String, String>, found: &mut Found) {
    // Who asks for whom, and where: both by file.
    let mut asks: BTreeMap<&str, Vec<(String, Place)>> = BTreeMap::new();
    for reference in &found.references {
        let Target::Segment(name) = &reference.to else { continue };
        let to = format!("segments/{name}.yaml");
        if files.contains_key(&to) && reference.file.starts_with("segments/") {
            asks.entry(&reference.file).or_default().push((to, reference.at));
        }
    }
    let mut circles: Vec<(String, Place, Vec<String>)> = Vec::new();
    let mut known = BTreeSet::new();
    for start in asks.keys() {
        let Some(way) = way_back(start, &asks) else { continue };
        let files: Vec<String> = way.iter().map(|(file, _)| file.clone()).collect();
        // One circle is told once, at its first file.
        let mut members = files.clone();
        members.sort();
        if known.insert(members) {
            circles.push(((*start).to_owned(), way[0].1, files));
        }
    }
    for (file, at, way) in circles {
        let Some(text) = files.get(&file) else { continue };
        let name = |file: &str| file.trim_start_matches("segments/").trim_end_matches(".yaml").to_owned();
        let message = if way.len() == 1 {
            format!("segment `{}` asks for itself", name(&file))
        } else {
            let way: Vec<String> = [&file].into_iter().chain(&way).map(|file| format!("`{}`", name(file))).collect();
            format!("these segments ask for one another in a circle: {}", way.join(" → "))
        };
        let help = "take one of these conditions out, or move what they share into a segment of its own";
        Report::new(&file, text, found).problem(at, message, help);
    }
}

/// The shortest way from a file back to itself: each next file, and where the one before it asks for it.
fn way_back(start: &str, asks: &BTreeMap<&str, Vec<(String, Place)>>) -> Option<Vec<(String, Place)>> {
    let mut ways: Vec<Vec<(String, Place)>> = vec![Vec::new()];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut next = Vec::new();
        for way in ways {
            let at = way.last().map_or(start, |(file, _)| file.as_str());
            for (to, place) in asks.get(at).into_iter().flatten() {
                let mut longer = way.clone();
                longer.push((to.clone(), *place));
                if to == start {
                    return Some(longer);
                }
                if seen.insert(to.clone()) {
                    next.push(longer);
                }
            }
        }
        ways = next;
    }
    None
}
