//! What goes wrong in a script: at the ports, with the machine, with the vendors.

use mendlake::finnhub::{Account, Endpoint, Fault, KnownDay, Plan, Terms, What, When};
use mendlake_domain::minute::Minute;
use mendlake_ports::secrets::Key;

use crate::dice::Dice;
use crate::faults::Weather;
use crate::script::{FAULTS_AFTER_MIN, Part, Script, noon_close};

impl Script {
    /// The vendors' terms: two keys of each, the second for when the first is refused.
    pub(crate) fn terms(&self) -> Terms {
        let key = |text: &str| Key::new(text).expect("the harness's keys are keys");
        let per_minute = self.settings.rate_limit;
        let finnhub = |version: &str, text| Account { per_minute, ..Account::finnhub(version, key(text), self.plan) };
        let alpaca = |version: &str, text| Account::alpaca(version, key(text), mendlake::finnhub::Plan::Free);
        Terms {
            seed: self.seed,
            finnhub: vec![finnhub("1", "first-key"), finnhub("2", "second-key")],
            alpaca: vec![alpaca("1", "id:secret"), alpaca("2", "id2:secret2")],
            candle_late_s: self.candle_late_s,
            script: self.vendor.clone(),
        }
    }

    pub(crate) fn break_ports(&mut self, dice: &mut Dice) {
        let storm = *dice.pick(&[0.0, 0.1, 0.3, 0.3, 1.0, 1.0, 3.0]);
        self.weather = Weather {
            fail_before: 0.010 * storm,
            fail_after: 0.008 * storm,
            partial: 0.03 * storm,
            die_before: 0.002 * storm,
            die_after: 0.002 * storm,
        };
        let instant =
            |dice: &mut Dice, this: &Self| this.from.start().plus_s(dice.between(0, this.to.since(this.from) * 60));
        for _ in 0..dice.below(3) {
            let down_ms = dice.between(1_000, 240_000);
            self.machine_dies.push((instant(dice, self), down_ms));
        }
        if dice.chance(0.4) {
            let from = instant(dice, self).minute();
            self.dark.push((from, from + dice.between(1, 15)));
        }
        if dice.chance(0.2) {
            let back = dice.between(500, 4_500);
            self.clock_back = Some((instant(dice, self), back, dice.chance(0.5)));
        }
    }

    pub(crate) fn break_vendors(&mut self, dice: &mut Dice) {
        (self.plan, self.alpaca) = match dice.below(6) {
            0 => (Plan::Free, true),
            1 => (Plan::Free, false),
            2 => (Plan::Premium, true),
            _ => (Plan::Premium, false),
        };
        self.candle_late_s = *dice.pick(&[5, 20, 120, 200]);
        for _ in 0..dice.below(6) {
            let fault = self.fault(dice);
            self.vendor.faults.push(fault);
        }
        if dice.chance(0.12) {
            let from = self.from + dice.between(0, 20);
            let to = from + dice.between(1, 12);
            self.vendor.faults.push(during(What::KeyRefused, from, to));
            self.key_comes = Some(to.start().plus_s(dice.between(0, 900)));
        }
        if self.part == Part::UnannouncedClose {
            let close = noon_close(self.session.on);
            let fault = Fault { from: Some(When::Instant(close.start())), ..Fault::always(What::UnannouncedClose) };
            self.vendor.faults.push(fault);
            self.vendor.holidays.push(KnownDay {
                on: self.session.on,
                event: "Power failure".into(),
                hours: "09:30-13:00".into(),
                known_from: Some(close.start().plus_s(dice.between(1, 20) * 3_600)),
            });
        }
    }

    /// One fault of the vendors, over before the ports' faults are.
    fn fault(&self, dice: &mut Dice) -> Fault {
        let last = self.to.since(self.from) + FAULTS_AFTER_MIN - 2;
        let first = dice.between(-2, last - 2);
        let from = self.from + first;
        let to = from + dice.between(1, 25).min(last - first);
        let symbols = self.profiles.iter().map(|p| p.symbol.clone()).collect::<Vec<_>>();
        let some = match dice.chance(0.5) {
            true => Vec::new(),
            false => vec![dice.pick(&symbols).clone()],
        };
        let hole = self.from + dice.between(-10, self.to.since(self.from));
        let hole = What::Hole {
            missing_from: When::Instant(hole.start()),
            missing_to: When::Instant((hole + dice.between(1, 15)).start()),
        };
        let whats = [
            What::Down { status: 502 },
            What::Down { status: 500 },
            What::Slow { seconds: dice.between(1, 45) as f64 },
            What::Truncated { bytes: 10 },
            What::Reset,
            What::Hang,
            What::Throttled,
            What::Zeros,
            What::PartialZeros,
            What::Frozen,
            What::Frozen,
            What::Frozen,
            What::Stale,
            What::NoData,
            What::CandlesLate { minutes: dice.between(1, 12) },
            hole,
            hole,
            What::WrongPrices { percent: 2.5 },
            What::Unequal,
            What::OffMinute,
        ];
        let what = *dice.pick(&whats);
        let endpoints = match what {
            What::Down { .. } | What::Slow { .. } | What::Hang if dice.chance(0.6) => {
                vec![*dice.pick(&[Endpoint::Quote, Endpoint::Candle])]
            }
            _ => Vec::new(),
        };
        let probability = *dice.pick(&[1.0, 1.0, 0.6, 0.3]);
        let draw_one = dice.chance(0.1);
        Fault { endpoints, symbols: some, probability, draw_one, ..during(what, from, to) }
    }
}

pub(crate) fn during(what: What, from: Minute, to: Minute) -> Fault {
    Fault::between(what, When::Instant(from.start()), When::Instant(to.start()))
}
