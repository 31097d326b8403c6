//! One played client: what it sends when, and what it makes of what it hears.
//!
//! Pure: time and segments come in, acts come out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::plan::{Answer, Visitor};
use crate::segment::Segment;

/// What a client puts on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// This segment.
    Send(Segment),
    /// The same, by two threads at the same moment.
    SendTwice(Segment),
    /// An error of its network about this segment of the server's.
    Unreachable(Segment),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Syn,
    Ack,
    Data,
    Reset,
    Unreachable,
}

/// A played client.
pub(super) struct Visit {
    plan: Visitor,
    from: SocketAddr,
    to: SocketAddr,
    seq: u32,
    /// What it acknowledges, once it was answered.
    expected: Option<u32>,
    syns: u32,
    steps: VecDeque<(Duration, Step)>,
}

impl Visit {
    pub(super) fn new(plan: Visitor, from: SocketAddr, to: SocketAddr) -> Self {
        let steps = [(plan.at, Step::Syn)].into();
        // Any start will do.
        let seq = 0x1000_0000 + u32::from(from.port()) * 0x1000;
        Self { plan, from, to, seq, expected: None, syns: 0, steps }
    }

    /// Its network in the arena.
    pub(super) fn network(&self) -> usize {
        self.plan.network
    }

    /// Its port's number among all networks'.
    pub(super) fn gate(&self) -> usize {
        self.plan.gate
    }

    /// When it wants to act next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.steps.front().map(|(at, _)| *at)
    }

    /// The next act that is due.
    pub(super) fn act(&mut self, now: Duration) -> Option<Act> {
        let (_, step) = self.steps.pop_front_if(|(at, _)| *at <= now)?;
        let twin = self.plan.twin;
        let either = |segment| if twin { Act::SendTwice(segment) } else { Act::Send(segment) };
        Some(match step {
            Step::Syn => {
                self.syns += 1;
                if self.syns < self.plan.tries {
                    self.steps.push_back((now + self.plan.patience * self.syns, Step::Syn));
                }
                either(Segment { syn: true, ack: None, ..self.segment(self.seq) })
            }
            Step::Ack => either(self.segment(self.seq.wrapping_add(1))),
            Step::Data => {
                Act::Send(Segment { payload: b"hello".to_vec(), ..self.segment(self.seq.wrapping_add(1)) })
            }
            Step::Reset => Act::Send(Segment { rst: true, ..self.segment(self.seq.wrapping_add(1)) }),
            Step::Unreachable => {
                let seq = self.expected.unwrap_or(0).wrapping_sub(1);
                let ack = Some(self.seq.wrapping_add(1));
                let lost = Segment { from: self.to, to: self.from, syn: true, ack, ..self.segment(seq) };
                Act::Unreachable(lost)
            }
        })
    }

    /// Takes in a segment of the server's.
    pub(super) fn hear(&mut self, segment: &Segment, now: Duration) {
        if !segment.syn || segment.ack.is_none() || segment.rst {
            return;
        }
        let first = self.expected.is_none();
        self.expected = Some(segment.seq.wrapping_add(1));
        if first {
            self.steps.clear();
            self.answer(now + self.plan.pause);
        } else if self.plan.again && matches!(self.plan.answer, Answer::Ack | Answer::Data) {
            self.steps.push_front((now, Step::Ack));
        }
    }

    fn answer(&mut self, at: Duration) {
        let first = match self.plan.answer {
            Answer::Silence => return,
            Answer::Ack | Answer::AckThenReset => Step::Ack,
            Answer::Data => Step::Data,
            Answer::Reset => Step::Reset,
            Answer::Unreachable => Step::Unreachable,
        };
        self.steps.push_back((at, first));
        let gap = self.plan.gap;
        match self.plan.answer {
            Answer::Ack | Answer::Data => {
                self.steps.extend((1..=self.plan.data).map(|number| (at + gap * number, Step::Data)));
            }
            Answer::AckThenReset => self.steps.push_back((at + gap, Step::Reset)),
            Answer::Silence | Answer::Reset | Answer::Unreachable => {}
        }
    }

    fn segment(&self, seq: u32) -> Segment {
        Segment {
            from: self.from,
            to: self.to,
            seq,
            ack: self.expected,
            syn: false,
            rst: false,
            stamp: None,
            payload: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(answer: Answer, again: bool) -> Visit {
        let plan = Visitor {
            network: 0,
            port: 80,
            gate: 0,
            ipv6: false,
            at: Duration::from_secs(1),
            tries: 2,
            patience: Duration::from_secs(1),
            answer,
            pause: Duration::ZERO,
            data: 1,
            gap: Duration::from_secs(1),
            again,
            twin: false,
        };
        Visit::new(plan, "198.19.0.1:1000".parse().unwrap(), "198.18.0.1:80".parse().unwrap())
    }

    /// What is sent at each second: letters of SYN, ACK, data, RST, unreachable.
    #[track_caller]
    fn check(answer: Answer, again: bool, synacks: &[u64], sent: &str) {
        let mut visit = visit(answer, again);
        let mut said = String::new();
        for second in 0..8 {
            let now = Duration::from_secs(second);
            if synacks.contains(&second) {
                let (from, to) = (visit.to, visit.from);
                let ack = Some(visit.seq + 1);
                visit.hear(&Segment { from, to, syn: true, ack, ..visit.segment(99) }, now);
            }
            while let Some(act) = visit.act(now) {
                said.push(match act {
                    Act::Unreachable(lost) => {
                        assert_eq!(lost.seq, 99);
                        'U'
                    }
                    Act::Send(segment) | Act::SendTwice(segment) if segment.syn => 'S',
                    Act::Send(segment) | Act::SendTwice(segment) => {
                        assert_eq!(segment.ack, Some(100));
                        match (segment.rst, segment.payload.is_empty()) {
                            (true, _) => 'R',
                            (false, true) => 'A',
                            (false, false) => 'D',
                        }
                    }
                });
            }
            said.push('.');
        }
        assert_eq!(said.trim_end_matches('.'), sent);
    }

    #[test]
    fn what_clients_send() {
        check(Answer::Ack, false, &[], ".S.S");
        check(Answer::Silence, false, &[2], ".S");
        check(Answer::Ack, false, &[2], ".S.A.D");
        check(Answer::Ack, true, &[2, 4], ".S.A.D.A");
        check(Answer::Data, false, &[2, 4], ".S.D.D");
        check(Answer::AckThenReset, true, &[2, 5], ".S.A.R");
        check(Answer::Reset, false, &[2], ".S.R");
        check(Answer::Unreachable, false, &[2], ".S.U");
    }
}
