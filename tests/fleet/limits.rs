//! The documented limits, as services that count.
//!
//! Key Vault: "Azure Key Vault service limits" (4,000 transactions in 10 s per vault and region:
//! secrets, and all operations with software-protected RSA keys of 2,048 bits; a key in an HSM
//! weighs twice as much, and the thresholds are enforced on the weighted sum) and "Azure Key Vault
//! throttling guidance" (429; requests that are answered so do not count). Real 429s carry no
//! Retry-After (vcsjones/AzureSignTool#219). How the 10 s are counted is not documented, so there
//! are all three ways that services use.
//!
//! IMDS: "Azure Instance Metadata Service for virtual machines", Rate limiting (20 requests per
//! second and 5 at once for tokens, per VM).

use std::collections::VecDeque;
use std::time::Duration;

/// What a vault grants in [`PERIOD`].
const VAULT_LIMIT: u32 = 4_000;
/// What [`VAULT_LIMIT`] is counted over.
const PERIOD: Duration = Duration::from_secs(10);

const TOKENS_PER_SECOND: usize = 20;
const TOKENS_AT_ONCE: usize = 5;

/// How the requests of 10 s are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Anew every 10 s, the first time when the fleet boots.
    Windows,
    /// Those of the last 10 s, at each moment.
    Sliding,
    /// A bucket that holds 4,000 and fills again at 400 in a second.
    Bucket,
}

/// One vault in one region.
pub struct Vault {
    count: Count,
    retry_after: bool,
    window: u64,
    used: u32,
    /// Weighted, oldest first; of [`Count::Sliding`].
    granted: VecDeque<(Duration, u32)>,
    /// When the bucket was, or will be, full.
    full_at: Duration,
}

/// 429, with its Retry-After.
pub struct Throttled(pub Option<Duration>);

impl Vault {
    /// A vault that nobody asked yet; `retry_after` says whether its 429s say when to come back.
    pub fn new(count: Count, retry_after: bool) -> Self {
        let (window, used, granted) = (0, 0, VecDeque::new());
        Self { count, retry_after, window, used, granted, full_at: Duration::ZERO }
    }

    /// A request of this weight, at a time that never goes back.
    pub fn ask(&mut self, at: Duration, weight: u32) -> Result<(), Throttled> {
        let until = match self.count {
            Count::Windows => self.windows(at, weight),
            Count::Sliding => self.sliding(at, weight),
            Count::Bucket => self.bucket(at, weight),
        };
        match until {
            None => Ok(()),
            // The header has whole seconds.
            Some(until) => Err(Throttled(self.retry_after.then(|| {
                let wait = until.saturating_sub(at);
                Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            }))),
        }
    }

    fn windows(&mut self, at: Duration, weight: u32) -> Option<Duration> {
        let window = at.as_secs() / PERIOD.as_secs();
        if window > self.window {
            (self.window, self.used) = (window, 0);
        }
        if self.used + weight > VAULT_LIMIT {
            return Some(Duration::from_secs((window + 1) * PERIOD.as_secs()));
        }
        self.used += weight;
        None
    }

    fn sliding(&mut self, at: Duration, weight: u32) -> Option<Duration> {
        while let Some(&(oldest, weight)) = self.granted.front() {
            if oldest + PERIOD > at {
                break;
            }
            self.used -= weight;
            self.granted.pop_front();
        }
        if self.used + weight > VAULT_LIMIT {
            return self.granted.front().map(|(oldest, _)| *oldest + PERIOD);
        }
        self.used += weight;
        self.granted.push_back((at, weight));
        None
    }

    fn bucket(&mut self, at: Duration, weight: u32) -> Option<Duration> {
        let full_at = self.full_at.max(at) + PERIOD / VAULT_LIMIT * weight;
        if full_at > at + PERIOD {
            return Some(full_at - PERIOD);
        }
        self.full_at = full_at;
        None
    }
}

/// IMDS of one VM.
#[derive(Default)]
pub struct Imds {
    /// Of the last second.
    granted: VecDeque<Duration>,
    /// When the answers of those that are under way are there.
    under_way: Vec<Duration>,
}

impl Imds {
    /// A request for a token at `at`, whose answer is there at `end`; whether it is granted.
    pub fn ask(&mut self, at: Duration, end: Duration) -> bool {
        self.under_way.retain(|end| *end > at);
        while self.granted.front().is_some_and(|first| *first + Duration::from_secs(1) <= at) {
            self.granted.pop_front();
        }
        let granted =
            self.granted.len() < TOKENS_PER_SECOND && self.under_way.len() < TOKENS_AT_ONCE;
        if granted {
            self.granted.push_back(at);
            self.under_way.push(end);
        }
        granted
    }
}

/// The earliest moment at which the last of requests of this weight can be granted, whoever sends
/// them however well: all that a vault grants at once, at once.
pub fn earliest(count: Count, weight: u64) -> Duration {
    let limit = u64::from(VAULT_LIMIT);
    let periods = match count {
        Count::Windows | Count::Sliding => (weight.div_ceil(limit) - 1) as f64,
        Count::Bucket => weight.saturating_sub(limit) as f64 / limit as f64,
    };
    PERIOD.mul_f64(periods)
}

/// How long the vault needs for requests of this weight at the rate of its limit.
pub fn at_the_rate(weight: u64) -> Duration {
    PERIOD.mul_f64(weight as f64 / f64::from(VAULT_LIMIT))
}
