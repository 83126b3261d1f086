//! How each symbol of a generated market trades.

use mendlake_domain::symbol::Symbol;

/// A generated symbol: how much it costs, how far it moves, how often it trades. Probabilities are 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Its name.
    pub symbol: Symbol,
    /// What it is, in words.
    pub description: String,
    /// About what it costs; it stays within some tens of per cent.
    pub price: f64,
    /// The smallest step of its price.
    pub tick: f64,
    /// The standard deviation of a day's move, as a fraction of the price.
    pub daily_move: f64,
    /// How likely a minute of the regular session has trades.
    pub busy: f64,
    /// The most trades a minute has.
    pub most_trades: u32,
    /// How likely a minute of the extended hours has a trade.
    pub extended: f64,
    /// How likely a session's first trade comes late, 2 to 60 minutes after the open.
    pub opens_late: f64,
    /// How likely a session has a silent stretch of one to two and a half hours.
    pub falls_silent: f64,
    /// How likely a session has no trade at all.
    pub absent: f64,
    /// Whether its price breaks by 40 % or more overnight, every few sessions, as an unadjusted split does.
    pub breaks: bool,
}

impl Profile {
    /// A liquid symbol: a trade every second or so, none of the oddities.
    pub fn liquid(symbol: Symbol, price: f64) -> Self {
        Self {
            description: format!("generated, liquid: {symbol}"),
            symbol,
            price,
            tick: 0.01,
            daily_move: 0.012,
            busy: 1.0,
            most_trades: 90,
            extended: 0.6,
            opens_late: 0.0,
            falls_silent: 0.0,
            absent: 0.0,
            breaks: false,
        }
    }

    /// A symbol of which a minute has trades with this probability, a few at most.
    pub fn thin(symbol: Symbol, price: f64, busy: f64) -> Self {
        Self {
            description: format!("generated, trades in {:.0} of 100 minutes: {symbol}", busy * 100.0),
            daily_move: 0.006,
            busy,
            most_trades: if busy > 0.9 { 12 } else { 3 },
            extended: busy * 0.02,
            ..Self::liquid(symbol, price)
        }
    }

    /// The symbols of the market that is generated where none are chosen: from one that trades every second to some
    /// that hardly do, and every oddity that a price's basis knows of.
    pub fn standard() -> Vec<Self> {
        let name = |text: &str| text.parse::<Symbol>().expect("a symbol");
        let thin = |text: &str, price, busy| Self::thin(name(text), price, busy);
        vec![
            Self::liquid(name("SPY"), 480.0),
            Self { daily_move: 0.016, ..Self::liquid(name("AAPL"), 210.0) },
            Self { daily_move: 0.017, most_trades: 60, ..Self::liquid(name("BAC"), 38.0) },
            Self { most_trades: 30, ..Self::liquid(name("IBM"), 175.0) },
            thin("INDA", 52.0, 0.97),
            thin("SHY", 82.0, 0.9),
            thin("FXY", 63.0, 0.23),
            thin("DBB", 18.0, 0.2),
            Self { opens_late: 0.7, ..thin("LATE", 24.0, 0.6) },
            Self { falls_silent: 0.6, ..thin("HUSH", 31.0, 0.85) },
            Self { opens_late: 1.0, breaks: true, ..thin("SPLT", 120.0, 0.7) },
            Self { absent: 0.5, ..thin("GONE", 9.0, 0.05) },
        ]
    }
}
