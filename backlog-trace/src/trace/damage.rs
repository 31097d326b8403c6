//! What a reader could not read: for views to print and for JSON.

use serde::Serialize;

use super::format::{Kind, VERSION, Version};

/// What is missing from a replay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Damage {
    /// Version of the format that the file was written in.
    pub format: Version,
    /// There is no last frame: the recorder was killed, the disk was full, or
    /// it is still being written.
    pub unfinished: bool,
    /// Bytes of the last frame, where the file ends within it.
    pub cut_bytes: u64,
    /// Bytes that were skipped because they are damaged.
    pub damaged_bytes: u64,
    /// Frames lost to damage: seen damaged, or missing from the numbering.
    pub lost_frames: u64,
    /// Of those, how many certainly held details.
    pub lost_detail_frames: u64,
    /// Of those, how many certainly held a snapshot or a part of one.
    pub lost_snapshot_frames: u64,
    /// Of those, how many certainly held a listener.
    pub lost_listener_frames: u64,
    /// Details that were written and not read; known only where the last
    /// frame is there.
    pub lost_details: Option<u64>,
    /// Snapshots that were written and not read; known only where the last
    /// frame is there.
    pub lost_snapshots: Option<u64>,
    /// Snapshots left out because a part of them is lost.
    pub incomplete_snapshots: u64,
    /// Frames left out because they were met a second time.
    pub repeated_frames: u64,
    /// Frames left out because only a newer version knows what they are: no damage.
    pub newer_frames: u64,
    /// The header of the file is damaged: the version was taken from the frames.
    pub header: bool,
    /// Something follows the last frame, or another recording begins; it was not read.
    pub trailing: bool,
    /// Why the operating system stopped giving bytes.
    pub unreadable: Option<String>,
}

impl Damage {
    /// None so far, in a file of `format`.
    pub(super) const fn none(format: Version) -> Self {
        Self {
            format,
            unfinished: false,
            cut_bytes: 0,
            damaged_bytes: 0,
            lost_frames: 0,
            lost_detail_frames: 0,
            lost_snapshot_frames: 0,
            lost_listener_frames: 0,
            lost_details: None,
            lost_snapshots: None,
            incomplete_snapshots: 0,
            repeated_frames: 0,
            newer_frames: 0,
            header: false,
            trailing: false,
            unreadable: None,
        }
    }

    /// Counts a lost frame, of a kind if that is certain.
    pub(super) fn lose(&mut self, kind: Option<Kind>) {
        self.lost_frames = self.lost_frames.saturating_add(1);
        match kind {
            Some(Kind::Details) => self.lost_detail_frames += 1,
            Some(Kind::Snapshot) => self.lost_snapshot_frames += 1,
            Some(Kind::Listener) => self.lost_listener_frames += 1,
            Some(Kind::Session | Kind::End | Kind::Sources) | None => (),
        }
    }

    /// Whether everything that was written was read.
    pub fn is_none(&self) -> bool {
        let read = Self { newer_frames: self.newer_frames, ..Self::none(self.format) };
        let counted = |lost| if lost == Some(0) { None } else { lost };
        Self {
            lost_details: counted(self.lost_details),
            lost_snapshots: counted(self.lost_snapshots),
            ..self.clone()
        } == read
    }

    /// One sentence without a full stop for each thing that is missing, the
    /// weightiest first.
    pub fn sentences(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut tell = |holds: bool, sentence: &dyn Fn() -> String| {
            if holds {
                told.push(sentence());
            }
        };
        tell(self.unreadable.is_some(), &|| {
            format!("could not be read to its end: {}", self.unreadable.as_deref().unwrap_or_default())
        });
        tell(self.unfinished, &|| {
            "ended without its last frame (the recorder was killed or the disk was full)".to_owned()
        });
        tell(self.cut_bytes > 0, &|| {
            format!("ends within a frame: its first {} bytes are left out", self.cut_bytes)
        });
        tell(self.header, &|| "its file header is damaged; the frames are sound".to_owned());
        tell(self.lost_frames > 0 || self.damaged_bytes > 0, &|| self.lost_text());
        tell(self.lost_details.is_some_and(|lost| lost > 0), &|| {
            format!("{} details were written and cannot be read", self.lost_details.unwrap_or_default())
        });
        tell(self.lost_snapshots.is_some_and(|lost| lost > 0), &|| {
            format!(
                "{} snapshots were written and cannot be read; the counts of the others are whole",
                self.lost_snapshots.unwrap_or_default()
            )
        });
        tell(self.incomplete_snapshots > 0, &|| {
            format!("{} snapshots lack a part and are left out", self.incomplete_snapshots)
        });
        tell(self.repeated_frames > 0, &|| {
            format!("{} frames occur a second time and are left out", self.repeated_frames)
        });
        tell(self.newer_frames > 0, &|| {
            format!(
                "{} frames are of a kind that only a newer version knows and are left out: \
                 the recording is in format {}, this backlog-trace reads {VERSION}",
                self.newer_frames, self.format
            )
        });
        tell(self.trailing, &|| {
            "something follows the end of the recording and is not read; \
             replay recordings one by one, not joined into one file"
                .to_owned()
        });
        told
    }

    fn lost_text(&self) -> String {
        let known = [
            (self.lost_detail_frames, "of details"),
            (self.lost_snapshot_frames, "of snapshots"),
            (self.lost_listener_frames, "of listeners"),
        ];
        let certain: u64 = known.iter().map(|(count, _)| count).sum();
        let mut kinds: Vec<String> = known
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}"))
            .collect();
        if self.lost_frames > certain {
            kinds.push(format!("{} of another or unknown kind", self.lost_frames - certain));
        }
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        format!("{} bytes are damaged; frames lost: {}{kinds}", self.damaged_bytes, self.lost_frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_has_nothing_to_tell() {
        let mut damage = Damage::none(VERSION);
        assert!(damage.is_none() && damage.sentences().is_empty());
        damage.lost_details = Some(0);
        damage.lost_snapshots = Some(0);
        assert!(damage.is_none() && damage.sentences().is_empty());
    }

    #[test]
    fn each_loss_is_damage_and_has_its_sentence() {
        type Change = fn(&mut Damage);
        let changes: [(Change, &str); 10] = [
            (|d| d.unfinished = true, "ended without its last frame"),
            (|d| d.cut_bytes = 12, "12 bytes"),
            (|d| d.damaged_bytes = 13, "13 bytes are damaged; frames lost: 0"),
            (|d| d.header = true, "header"),
            (|d| d.lost_details = Some(14), "14 details"),
            (|d| d.lost_snapshots = Some(15), "15 snapshots"),
            (|d| d.incomplete_snapshots = 16, "16 snapshots"),
            (|d| d.repeated_frames = 17, "17 frames"),
            (|d| d.trailing = true, "one by one"),
            (|d| d.unreadable = Some("Input/output error".to_owned()), "Input/output error"),
        ];
        for (change, words) in changes {
            let mut damage = Damage::none(VERSION);
            change(&mut damage);
            assert!(!damage.is_none(), "{words}");
            let sentences = damage.sentences();
            assert!(sentences.len() == 1 && sentences[0].contains(words), "{sentences:?}");
        }
    }

    #[test]
    fn lost_frames_are_told_by_kind_where_that_is_certain() {
        let mut damage = Damage::none(VERSION);
        for kind in [Some(Kind::Details), Some(Kind::Details), Some(Kind::Snapshot), Some(Kind::End), None] {
            damage.lose(kind);
        }
        let [sentence] = <[String; 1]>::try_from(damage.sentences()).unwrap();
        assert_eq!(
            sentence,
            "0 bytes are damaged; frames lost: 5 (2 of details, 1 of snapshots, 2 of another or unknown kind)"
        );
    }

    #[test]
    fn frames_of_a_newer_minor_version_are_told_but_are_no_damage() {
        let mut damage = Damage::none(Version { major: 1, minor: 7 });
        damage.newer_frames = 2;
        assert!(damage.is_none());
        assert!(damage.sentences()[0].contains("format 1.7"));
    }

    #[test]
    fn json_names_are_a_contract() {
        let json = serde_json::to_value(Damage::none(VERSION)).unwrap();
        assert_eq!(json["format"], "1.1");
        let mut names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(
            names.join(" "),
            "cut_bytes damaged_bytes format header incomplete_snapshots lost_detail_frames lost_details \
             lost_frames lost_listener_frames lost_snapshot_frames lost_snapshots newer_frames repeated_frames \
             trailing unfinished unreadable"
        );
    }
}
