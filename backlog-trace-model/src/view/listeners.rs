//! How listeners stand, as a table and as JSON. It knows no kernel.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anstyle::Style;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::grid::{Cell, Column, Grid, WIDEST};
use super::json::place;
use super::names;
use super::paint::ALARM;
use super::wrap::shortened;
use crate::escape::{Sanitized, write_json_line};
use crate::listener::{Cap, Listener, Owner, Place, Standing};

/// The columns; each is as wide as the widest that stands in it.
const COLUMNS: [Column; 8] = [
    Column::words("LISTENER", 0),
    Column::words("OWNER", 0),
    Column::numbers("ACCEPT Q", 0),
    Column::numbers("SYN Q", 0),
    Column::words("LIMITED BY", 0),
    Column::numbers("DROPS", 0),
    Column::words("WHOSE", 0),
    Column::words("NETNS", 0),
];

/// Behind an accept queue that is near its limit: colour alone tells nothing in a file.
const NEAR: &str = "!";

/// The table: a line per listener, or as many as a terminal of `columns` columns
/// takes. The namespace is a column where there is more than one.
pub fn text(standings: &[Standing], columns: Option<usize>) -> String {
    let first = standings.first().map(|standing| standing.listener.netns);
    let one_netns = standings.iter().all(|standing| Some(standing.listener.netns) == first);
    let rows: Vec<Vec<Cell>> = standings
        .iter()
        .map(|standing| {
            let mut row = row(standing);
            // All but the two blanks in front of what is on a line of its own.
            if let (Some((whose, _)), Some(columns)) = (row.last_mut(), columns) {
                *whose = shortened(whose, columns.saturating_sub(2));
            }
            if !one_netns {
                let Listener { netns, netns_name, .. } = &*standing.listener;
                let named = netns_name.as_deref().map(|name| Sanitized(name).to_string());
                row.push((named.unwrap_or_else(|| netns.to_string()), Style::new()));
            }
            row
        })
        .collect();
    let shown = COLUMNS.into_iter().take(if one_netns { COLUMNS.len() - 1 } else { COLUMNS.len() });
    let widest =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|(cell, _)| cell.width().min(WIDEST)).max();
    let fitting = shown.enumerate().map(|(at, column)| Column { width: widest(at).unwrap_or(0), ..column });
    let mut grid = Grid::new(fitting, columns);
    let mut lines = grid.heading();
    for row in rows {
        lines.extend(grid.row(row));
    }
    lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn row(standing: &Standing) -> Vec<Cell> {
    let Standing { listener, accept_queue, syn_queue, limited_by, drops } = standing;
    let unknown = || "-".to_owned();
    let limit = listener.limit.map_or_else(unknown, |limit| limit.to_string());
    let (mark, style) = if standing.is_near_its_limit() { (NEAR, ALARM) } else { ("", Style::new()) };
    let accept_queue = (format!("{accept_queue}/{limit}{mark}"), style);
    let syn_queue = syn_queue.map_or_else(unknown, |queue| {
        // A group's requests may all be this member's, or none of them.
        let at_most = if queue.is_exact() { "" } else { "≤" };
        format!("{at_most}{}/{limit}", queue.length)
    });
    let limited_by = match (limited_by, listener.somaxconn) {
        (Some(Cap::Application), Some(somaxconn)) => format!("application (somaxconn {somaxconn})"),
        (Some(cap), _) => cap.name().to_owned(),
        (None, Some(somaxconn)) if listener.limit.is_some() => format!("? (somaxconn {somaxconn})"),
        (None, Some(somaxconn)) => format!("- (somaxconn {somaxconn})"),
        (None, None) => unknown(),
    };
    let plain = |text| (text, Style::new());
    vec![
        plain(SocketAddr::new(listener.address, listener.port).to_string()),
        plain(names::owner(Some(listener))),
        accept_queue,
        plain(syn_queue),
        plain(limited_by),
        plain(drops.map_or_else(unknown, |drops| drops.to_string())),
        plain(whose(listener)),
    ]
}

/// The unit, container or pod of a listener in a few words; its cgroup where that is
/// none of these.
fn whose(listener: &Listener) -> String {
    let Some(cgroup) = listener.cgroup.as_deref() else { return "-".to_owned() };
    let short = Place::of(cgroup).short();
    Sanitized(short.as_deref().unwrap_or(cgroup)).to_string()
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    r#type: &'static str,
    listener: Named<'a>,
    accept_queue: Queue,
    syn_queue: Queue,
    limited_by: Option<Cap>,
    somaxconn: Option<u32>,
    drops: Option<u32>,
}

#[derive(Serialize)]
struct Named<'a> {
    netns: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns_name: Option<&'a str>,
    cookie: Option<u64>,
    address: IpAddr,
    port: u16,
    inode: u64,
    owners: &'a [Owner],
    cgroup: Option<&'a str>,
    #[serde(flatten)]
    place: Place<'a>,
}

#[derive(Serialize)]
struct Queue {
    length: Option<u32>,
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_by: Option<u32>,
}

impl<'a> From<&'a Listener> for Named<'a> {
    fn from(listener: &'a Listener) -> Self {
        Self {
            netns: listener.netns,
            netns_name: listener.netns_name.as_deref(),
            cookie: listener.cookie,
            address: listener.address,
            port: listener.port,
            inode: listener.inode,
            owners: &listener.owners,
            cgroup: listener.cgroup.as_deref(),
            place: place(listener),
        }
    }
}

/// One JSON object a line. Field names are a contract: add, never change.
///
/// # Errors
/// Those of the writer.
pub fn json(standings: &[Standing], out: &mut impl io::Write) -> io::Result<()> {
    for standing in standings {
        let limit = standing.listener.limit;
        let line = Line {
            v: 1,
            r#type: "listener",
            listener: Named::from(&*standing.listener),
            accept_queue: Queue { length: Some(standing.accept_queue), limit, shared_by: None },
            syn_queue: Queue {
                length: standing.syn_queue.map(|queue| queue.length),
                limit,
                shared_by: standing.syn_queue.filter(|queue| !queue.is_exact()).map(|queue| queue.shared_by),
            },
            limited_by: standing.limited_by,
            somaxconn: standing.listener.somaxconn,
            drops: standing.drops,
        };
        write_json_line(&mut *out, &line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::listener::SynQueue;

    fn standing(port: u16, netns: u32) -> Standing {
        let listener = Listener {
            id: 0,
            keys: vec![],
            netns,
            cookie: Some(4129),
            address: "::".parse().unwrap(),
            port,
            inode: 102_322,
            owners: vec![Owner::new(812, "ngi\x1bnx"), Owner::new(813, "nginx")],
            cgroup: Some("/a\nb".to_owned()),
            limit: Some(128),
            somaxconn: Some(4096),
            netns_name: None,
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        };
        Standing {
            listener: Arc::new(listener),
            accept_queue: 129,
            syn_queue: Some(SynQueue { length: 3, shared_by: 1 }),
            limited_by: Some(Cap::Application),
            drops: Some(319),
        }
    }

    #[test]
    fn a_table_of_one_namespace() {
        let bare =
            Listener { owners: vec![], cgroup: None, somaxconn: None, ..(*standing(80, 1).listener).clone() };
        let bare = Standing {
            listener: Arc::new(bare),
            syn_queue: Some(SynQueue { length: 3, shared_by: 2 }),
            limited_by: None,
            drops: None,
            ..standing(80, 1)
        };
        let both = [standing(8080, 1), bare];
        let plain = |columns| anstream::adapter::strip_str(&text(&both, columns)).to_string();
        assert_eq!(
            plain(None),
            "LISTENER   OWNER               ACCEPT Q   SYN Q  LIMITED BY                    DROPS  WHOSE\n\
             [::]:8080  ngi\\u{1b}nx/812 +1  129/128!   3/128  application (somaxconn 4096)    319  /a\\nb\n\
             [::]:80    -                   129/128!  ≤3/128  -                                 -  -\n"
        );
        assert_eq!(
            plain(Some(80)),
            "LISTENER   OWNER               ACCEPT Q   SYN Q  LIMITED BY\n\
             \x20 DROPS  WHOSE\n\
             [::]:8080  ngi\\u{1b}nx/812 +1  129/128!   3/128  application (somaxconn 4096)\n\
             \x20   319  /a\\nb\n\
             [::]:80    -                   129/128!  ≤3/128  -\n\
             \x20     -  -\n"
        );
        let narrow = plain(Some(40));
        assert!(narrow.lines().all(|line| line.width() <= 40), "{narrow}");
        assert!(narrow.contains("application (somaxconn 4096)"), "{narrow}");
    }

    #[test]
    fn an_owner_is_written_as_in_every_other_output() {
        let of = |inode, owners| {
            let listener = Listener { inode, owners, ..(*standing(80, 1).listener).clone() };
            Standing { listener: Arc::new(listener), ..standing(80, 1) }
        };
        for standing in [of(0, vec![]), of(7, vec![]), standing(80, 1)] {
            let shown = text(std::slice::from_ref(&standing), None);
            let line = shown.lines().nth(1).unwrap_or_default();
            assert!(line.contains(&format!(" {} ", names::owner(Some(&standing.listener)))), "{line}");
        }
        assert!(text(&[of(0, vec![])], None).contains("  kernel  "));
    }

    #[test]
    fn the_namespace_is_a_column_where_there_are_two() {
        let named = |name: &str| {
            let listener =
                Listener { netns_name: Some(name.to_owned()), ..(*standing(80, 3).listener).clone() };
            Standing { listener: Arc::new(listener), ..standing(80, 3) }
        };
        let shown = text(&[standing(80, 1), standing(80, 2), named("blue")], None);
        let shown = anstream::adapter::strip_str(&shown).to_string();
        let last: Vec<_> = shown.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(last, ["NETNS", "1", "2", "blue"]);
    }

    #[test]
    fn json_of_a_group_says_what_is_shared() {
        let mut out = Vec::new();
        let shared = Standing { syn_queue: Some(SynQueue { length: 3, shared_by: 2 }), ..standing(80, 1) };
        let empty = Standing { syn_queue: Some(SynQueue { length: 0, shared_by: 2 }), ..standing(80, 1) };
        let unknown = Standing { syn_queue: None, limited_by: None, drops: None, ..standing(80, 1) };
        json(&[shared, empty, unknown], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains(r#""syn_queue":{"length":3,"limit":128,"shared_by":2}"#), "{text}");
        assert!(lines[1].contains(r#""syn_queue":{"length":0,"limit":128},"#), "{text}");
        assert!(
            lines[2].ends_with(
                r#""syn_queue":{"length":null,"limit":128},"limited_by":null,"somaxconn":4096,"drops":null}"#
            ),
            "{text}"
        );
    }

    #[test]
    fn json_says_whose_a_listener_is_where_its_cgroup_tells() {
        let id = "3f2a91b0c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f";
        for (cgroup, expected) in [
            (None, String::new()),
            (Some("/".to_owned()), String::new()),
            (Some("/system.slice/nginx.service".to_owned()), r#","unit":"nginx.service""#.to_owned()),
            (
                Some(format!("/system.slice/docker-{id}.scope")),
                format!(r#","container":{{"id":"{id}","runtime":"docker"}}"#),
            ),
            (
                Some(format!("/kubepods/burstable/pod12ab-34cd/{id}")),
                format!(r#","container":{{"id":"{id}"}},"pod":{{"uid":"12ab-34cd"}}"#),
            ),
        ] {
            let path = cgroup.as_ref().map_or("null".to_owned(), |path| format!("\"{path}\""));
            let listener = Listener { cgroup, ..(*standing(80, 1).listener).clone() };
            let mut out = Vec::new();
            json(&[Standing { listener: Arc::new(listener), ..standing(80, 1) }], &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(&format!(r#""cgroup":{path}{expected}}},"accept_queue""#)), "{text}");
        }
    }

    #[test]
    fn json_is_the_contract() {
        let mut out = Vec::new();
        json(&[standing(8080, 4_026_531_840)], &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"v":1,"type":"listener","listener":{"netns":4026531840,"cookie":4129,"address":"::","port":8080,"#,
                r#""inode":102322,"owners":[{"pid":812,"comm":"ngi\u001bnx"},{"pid":813,"comm":"nginx"}],"cgroup":"/a\nb"},"#,
                r#""accept_queue":{"length":129,"limit":128},"syn_queue":{"length":3,"limit":128},"#,
                r#""limited_by":"application","somaxconn":4096,"drops":319}"#,
                "\n"
            )
        );
    }
}
