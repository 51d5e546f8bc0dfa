//! A fleet that boots: whose request comes next, and what is answered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bek_unlock::error::Kind;

use super::dice;
use super::limits::{Count, Imds, Throttled, Vault};
use super::volume::{Answer, Ask, State, Volume};

/// Time until an answer of IMDS is there: a process of the same host that holds the token.
const IMDS_LATENCY: Duration = Duration::from_millis(50);
/// The same of Key Vault, in the same region.
const VAULT_LATENCY: Duration = Duration::from_millis(20);

/// What boots, and before what.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// VMs, all of which start within the same second.
    pub machines: usize,
    /// Volumes in each VM, unlocked all at once.
    pub volumes: usize,
    /// How the vault counts.
    pub count: Count,
    /// Whether its 429s have a Retry-After.
    pub retry_after: bool,
    /// What an unwrapkey weighs: 1 with a software-protected key of 2,048 bits, 2 with one in an HSM.
    pub weight: u32,
    /// Whether the volumes of a VM ask IMDS once for all of them.
    pub shared: bool,
    /// `timeout=`.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// When each volume was opened, sorted.
    pub opened: Vec<Duration>,
    /// Why the others were not.
    pub failed: Vec<Kind>,
    /// The longest time from a VM's start to one of its volumes.
    pub longest: Duration,
    /// Requests to the vault in each second: granted, and answered with 429.
    pub seconds: Vec<(u32, u32)>,
    /// The most 429s that one volume got from the vault.
    pub worst: u32,
    /// The most requests that one VM made to IMDS, and how many of those got 429.
    pub imds: (u32, u32),
}

impl Fleet {
    /// Volumes of all VMs.
    pub fn size(&self) -> usize {
        self.machines * self.volumes
    }

    /// What all its requests weigh: one secret and one unwrapkey for each volume.
    pub fn weight(&self) -> u64 {
        self.size() as u64 * u64::from(1 + self.weight)
    }

    /// Boots it.
    pub fn boot(&self) -> Outcome {
        let mut world = World::new(self);
        // The order of moments; of two at the same moment the one with the smaller index.
        let mut events = BinaryHeap::new();
        for index in 0..self.size() {
            events.extend(world.go_on(index));
        }
        while let Some(Reverse((at, index))) = events.pop() {
            world.answer(index, at);
            events.extend(world.go_on(index));
        }
        world.end()
    }
}

impl Outcome {
    /// When the last volume was opened.
    pub fn end(&self) -> Duration {
        self.opened.last().copied().unwrap_or_default()
    }

    /// The vault's 429s.
    pub fn refused(&self) -> u32 {
        self.seconds.iter().map(|(_, refused)| refused).sum()
    }
}

struct World<'a> {
    fleet: &'a Fleet,
    vault: Vault,
    machines: Vec<Machine>,
    members: Vec<Member>,
    outcome: Outcome,
}

#[derive(Default)]
struct Machine {
    imds: Imds,
    asked: u32,
    refused: u32,
    /// When the token that its volumes share is there.
    token: Option<Duration>,
}

struct Member {
    volume: Volume,
    asks: Ask,
    refused: u32,
}

impl<'a> World<'a> {
    fn new(fleet: &'a Fleet) -> Self {
        let mut seed = 0;
        let mut members = Vec::new();
        for _ in 0..fleet.machines {
            let start = Duration::from_secs_f64(dice::fraction(&mut seed));
            for _ in 0..fleet.volumes {
                let volume = Volume::new(start, fleet.timeout, dice::word(&mut seed));
                members.push(Member { volume, asks: Ask::Token, refused: 0 });
            }
        }
        Self {
            fleet,
            vault: Vault::new(fleet.count, fleet.retry_after),
            machines: (0..fleet.machines).map(|_| Machine::default()).collect(),
            members,
            outcome: Outcome::default(),
        }
    }

    /// Lets a volume do what it can; its next request, if there is one.
    fn go_on(&mut self, index: usize) -> Option<Reverse<(Duration, usize)>> {
        let member = &mut self.members[index];
        match member.volume.run() {
            State::Asks(ask, at) => {
                member.asks = ask;
                return Some(Reverse((at, index)));
            }
            State::Opened(at) => {
                self.outcome.opened.push(at);
                let took = at - member.volume.start();
                self.outcome.longest = self.outcome.longest.max(took);
            }
            State::Failed(kind) => self.outcome.failed.push(kind),
        }
        None
    }

    fn answer(&mut self, index: usize, at: Duration) {
        let answer = match self.members[index].asks {
            Ask::Token => self.token(index / self.fleet.volumes, at),
            Ask::Secret => self.vault(index, at, 1),
            Ask::Unwrap => self.vault(index, at, self.fleet.weight),
        };
        self.members[index].volume.answer(answer);
    }

    fn token(&mut self, machine: usize, at: Duration) -> Answer {
        let machine = &mut self.machines[machine];
        if let Some(there) = machine.token.filter(|_| self.fleet.shared) {
            return Answer { at: there.max(at), granted: true, retry_after: None };
        }
        let there = at + IMDS_LATENCY;
        let granted = machine.imds.ask(at, there);
        machine.asked += 1;
        machine.refused += u32::from(!granted);
        if granted {
            machine.token = Some(there);
        }
        Answer { at: there, granted, retry_after: None }
    }

    fn vault(&mut self, index: usize, at: Duration, weight: u32) -> Answer {
        let second = at.as_secs() as usize;
        let seconds = &mut self.outcome.seconds;
        seconds.resize(seconds.len().max(second + 1), (0, 0));
        let there = at + VAULT_LATENCY;
        match self.vault.ask(at, weight) {
            Ok(()) => {
                seconds[second].0 += 1;
                Answer { at: there, granted: true, retry_after: None }
            }
            Err(Throttled(retry_after)) => {
                seconds[second].1 += 1;
                self.members[index].refused += 1;
                Answer { at: there, granted: false, retry_after }
            }
        }
    }

    fn end(self) -> Outcome {
        let mut outcome = self.outcome;
        outcome.opened.sort();
        outcome.worst = self.members.iter().map(|member| member.refused).max().unwrap_or(0);
        let imds = self.machines.iter().map(|machine| (machine.asked, machine.refused)).max();
        outcome.imds = imds.unwrap_or_default();
        outcome
    }
}
