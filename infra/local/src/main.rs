//! scratch
use std::sync::Arc;
use mendlake::engine::{Event, Observer};
use mendlake::finnhub::{Fault, Plan, Script, What};
use mendlake::market::{GeneratedMarket, Market};
use mendlake::rehearsal::{Rehearsal, truth};
use mendlake_domain::calendar::Calendar;
use mendlake_domain::settings::Settings;
use mendlake_domain::quote::StoredRow;
use mendlake_ports::place::Place;
use mendlake_ports::lake::Lake;
struct P;
impl Observer for P { fn observe(&self, at: mendlake_domain::minute::Timestamp, e: &Event) { 
  match e { Event::Reconciled(r) if r.claimed>0 || r.open_gaps>0 => println!("{at} open {} {:?} claimed {} tasks {} susp {}", r.open_gaps, r.open_by_reason, r.claimed, r.tasks, r.suspects),
   Event::Replayed(r) => println!("{at} replay {:?} corr {} upheld {} undec {} open {:?} failed {:?} calls {:?}", r.healed, r.corrected, r.upheld, r.undecidable.len(), r.open, r.failed, r.calls),
   Event::Failed{stage,chain,..} => println!("{at} FAILED {stage} {chain}"), _=>{} } } }
fn main(){
  let t0=std::time::Instant::now();
  let market = Arc::new(Market::from(GeneratedMarket::new(7, Calendar::Xnys)));
  let symbols: Vec<_> = market.symbols().into_iter().take(8).collect();
  let on: chrono::NaiveDate = "2026-11-20".parse().unwrap();
  let s = Calendar::Xnys.session_on(on).unwrap().unwrap();
  let at = |m: i64| (s.open + m).start();
  let w = |m: i64| mendlake::finnhub::When::Instant(at(m));
  let mut script = Script::default();
  if std::env::args().nth(1).is_some() {
    script.faults = vec![
      Fault::between(What::Down{status:502}, w(35), w(57)),
      Fault{ draw_one: true, endpoints: vec![mendlake::finnhub::Endpoint::Quote], ..Fault::always(What::Reset)},
      Fault{ probability: 0.5, ..Fault::between(What::Throttled, w(165), w(175))},
      Fault::between(What::Frozen, w(210), w(235)),
      Fault::between(What::CandlesLate{minutes:10}, w(270), w(330)),
    ];
  }
  let dark = if std::env::args().nth(1).is_some() { vec![(at(100).plus_ms(-30000), at(117).plus_ms(-30000))] } else { vec![] };
  let lander_dies = if std::env::args().nth(1).is_some() { vec![at(70), at(300)] } else { vec![] };
  let folder = std::path::PathBuf::from(format!("/tmp/rehearse-{}", std::process::id()));
  let r = Rehearsal{ market: market.clone(), symbols: symbols.clone(), first: on, last: on, seed: 7, script, plan: Plan::Premium, alpaca: true, dark, lander_dies, settings: Settings::default(), until: at(3*1440), to_the_end: false, folder: folder.clone() };
  let p = r.play(P).map_err(|e| e.chain()).unwrap();
  println!("played whole={} ended {} in {:?}", p.whole, p.ended_at, t0.elapsed());
  let rows = futures_util::FutureExt::now_or_never(p.engine.place().lake().rows(&symbols.iter().cloned().collect(), s.open, s.close)).unwrap().unwrap();
  let cur = StoredRow::current(rows.clone());
  let mut by: std::collections::BTreeMap<String, usize> = Default::default();
  for r in &cur { *by.entry(format!("{} {:?}", r.row.basis, truth::judge(&market, &s, &r.row))).or_default()+=1; }
  println!("rows {} current {} of {} {:?} {:?}", rows.len(), cur.len(), 390*symbols.len(), by, folder);
}
