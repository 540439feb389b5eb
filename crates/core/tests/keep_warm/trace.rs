//! A made-up trace with the published shape of Azure's of 2019.
//!
//! From "Serverless in the Wild" (USENIX ATC 2020): 45 % of applications have at most one invoke an hour, 81 % at most
//! one a minute, rates span eight orders of magnitude; 16 % of functions are timers; about a fifth of the applications are
//! regular (coefficient of variation of the gaps near 0) and some 40 % come in bursts (above 1), the rest is
//! near 1; the load swings over the day; durations are log-normal (-0.38, 2.36, in seconds), memory follows a Burr
//! distribution (11.652, 0.221, 107.083 MB). The duration of init is not published: log-normal around 0.4 s.

/// Two days.
pub(crate) const TRACE_S: f64 = 2.0 * DAY_S;

const DAY_S: f64 = 86_400.0;

/// From this rate on a function is never idle long enough for any policy to give it up: it is left out.
const BUSY_PER_DAY: f64 = DAY_S / 10.0;

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1, neither included.
    fn share(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.share().ln()
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos()
    }

    fn between_logs(&mut self, low: f64, high: f64) -> f64 {
        (low.ln() + self.share() * (high / low).ln()).exp()
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Timer,
    Regular,
    Random,
    Bursty,
}

/// Who is in the trace.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mix {
    Published,
    /// Timers and other regular functions come at random: what is left is harder to foresee.
    WithoutRegular,
}

pub(crate) struct Function {
    pub(crate) kind: Kind,
    pub(crate) per_day: f64,
    pub(crate) duration_s: f64,
    pub(crate) init_s: f64,
    pub(crate) memory_mib: f64,
}

/// A time in which a function runs without a break.
#[derive(Clone, Copy)]
pub(crate) struct Busy {
    pub(crate) function: usize,
    pub(crate) from_s: f64,
    pub(crate) until_s: f64,
}

pub(crate) struct Trace {
    pub(crate) functions: Vec<Function>,
    /// In the order of their beginnings.
    pub(crate) busy: Vec<Busy>,
}

impl Trace {
    pub(crate) fn new(seed: u64, count: usize, mix: Mix) -> Self {
        let mut random = Random::new(seed);
        let functions: Vec<Function> = (0..count).map(|_| Function::draw(&mut random, mix)).collect();
        let mut busy = Vec::new();
        for (at, function) in functions.iter().enumerate() {
            if function.per_day < BUSY_PER_DAY {
                busy.extend(join(at, function.arrivals(&mut random), function.duration_s, &mut random));
            }
        }
        busy.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
        Self { functions, busy }
    }
}

impl Function {
    fn draw(random: &mut Random, mix: Mix) -> Self {
        let rank = random.share();
        let per_day = match rank {
            ..0.45 => random.between_logs(0.5, 24.0),
            ..0.81 => random.between_logs(24.0, 1_440.0),
            _ => random.between_logs(1_440.0, 1e8),
        };
        let kind = match random.share() {
            ..0.22 if mix == Mix::WithoutRegular => Kind::Random,
            ..0.16 => Kind::Timer,
            ..0.22 => Kind::Regular,
            ..0.60 => Kind::Random,
            _ => Kind::Bursty,
        };
        let burr = (random.share().powf(-1.0 / 0.221) - 1.0).powf(1.0 / 11.652);
        Self {
            kind,
            per_day: if kind == Kind::Timer { timer(per_day) } else { per_day },
            duration_s: (-0.38 + 2.36 * random.normal()).exp().min(900.0),
            init_s: 0.4 * (0.8 * random.normal()).exp(),
            memory_mib: 107.083 * burr,
        }
    }

    fn arrivals(&self, random: &mut Random) -> Vec<f64> {
        let mean_s = DAY_S / self.per_day;
        let mut now_s = random.share() * mean_s;
        let mut arrivals = Vec::new();
        while now_s < TRACE_S {
            match self.kind {
                Kind::Timer => arrivals.push(now_s + random.exponential(0.5)),
                Kind::Regular => arrivals.push(now_s + 0.05 * mean_s * random.normal()),
                Kind::Random if is_day(now_s, random) => arrivals.push(now_s),
                Kind::Bursty if is_day(now_s, random) => session(now_s, mean_s, random, &mut arrivals),
                _ => {}
            }
            now_s += match self.kind {
                Kind::Timer | Kind::Regular => mean_s,
                Kind::Random => random.exponential(mean_s / DAY_SHARE),
                Kind::Bursty => random.exponential(mean_s / DAY_SHARE * SESSION),
            };
        }
        arrivals.retain(|arrival| (0.0..TRACE_S).contains(arrival));
        arrivals.sort_by(f64::total_cmp);
        arrivals
    }
}

/// The nearest period that people give a timer.
fn timer(per_day: f64) -> f64 {
    let minutes = [1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 360.0, 720.0, 1_440.0];
    let off = |period: f64| (period * per_day / 1_440.0).ln().abs();
    1_440.0 / minutes.into_iter().min_by(|one, other| off(*one).total_cmp(&off(*other))).unwrap_or(60.0)
}

/// Mean invokes in a burst.
const SESSION: f64 = 5.0;

fn session(now_s: f64, mean_s: f64, random: &mut Random, arrivals: &mut Vec<f64>) {
    let mut now_s = now_s;
    loop {
        arrivals.push(now_s);
        if random.share() < 1.0 / SESSION {
            return;
        }
        now_s += random.exponential((mean_s * 0.1).clamp(1.0, 300.0));
    }
}

/// Mean of the swing over the day, of which the top is 1.
const DAY_SHARE: f64 = 0.75;

fn is_day(now_s: f64, random: &mut Random) -> bool {
    random.share() < DAY_SHARE + 0.25 * (now_s / DAY_S * std::f64::consts::TAU).sin()
}

/// Joins invokes that overlap. What runs beside the first is the same under every policy and left out.
fn join(function: usize, arrivals: Vec<f64>, duration_s: f64, random: &mut Random) -> Vec<Busy> {
    let mut all: Vec<Busy> = Vec::new();
    for from_s in arrivals {
        let until_s = from_s + duration_s * (0.5 + random.share());
        match all.last_mut() {
            Some(last) if from_s <= last.until_s => last.until_s = last.until_s.max(until_s),
            _ => all.push(Busy { function, from_s, until_s }),
        }
    }
    all
}
