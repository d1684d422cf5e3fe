//! The sender: lanes, attempts, retries, and what is kept back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use outbound::Outbound;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::policy::{redacted, request, vendor_word, without_query};
use super::record::History;
use super::{
    Answer, Attempt, AttemptRecord, DeliveryRecord, DeliveryState, Disturbance, Message, Mode, Policy,
};
use crate::kit::Background;
use crate::{Ids, clock};

const HELD_MAX: usize = 10_000;
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// A cheap handle on the outgoing webhooks of one simulator.
#[derive(Clone)]
pub struct WebhookSender(Arc<Inner>);

struct Inner {
    policy: Policy,
    time_factor: f64,
    outbound: Outbound,
    background: Background,
    dice: Ids,
    permits: Semaphore,
    history: History,
    disturbance: Mutex<Disturbance>,
    lanes: Mutex<HashMap<String, VecDeque<Parcel>>>,
    held: Mutex<Vec<Parcel>>,
    epoch: AtomicU64,
}

#[derive(Clone)]
struct Parcel {
    id: u64,
    epoch: u64,
    message: Message,
}

impl WebhookSender {
    pub(crate) fn new(
        policy: Policy,
        time_factor: f64,
        outbound: Outbound,
        background: Background,
        seed: u64,
    ) -> Self {
        Self(Arc::new(Inner {
            permits: Semaphore::new(policy.in_flight_max.max(1)),
            policy,
            time_factor,
            outbound,
            background,
            dice: Ids::new(seed ^ 0x5eed),
            history: History::default(),
            disturbance: Mutex::default(),
            lanes: Mutex::default(),
            held: Mutex::default(),
            epoch: AtomicU64::new(0),
        }))
    }

    /// Hands a message over, to be treated as the disturbance in force says.
    pub fn send(&self, message: Message) {
        let disturbance = *self.0.disturbance.lock();
        let spared = !self.0.dice.chance(disturbance.percent);
        let (mode, n) = disturbance.of(spared, self.0.dice.percentile());
        match mode {
            Mode::Normal | Mode::Mixed => self.queue(self.parcel(message, DeliveryState::Pending)),
            Mode::Duplicate => {
                for _ in 0..n.clamp(1, 100) {
                    self.queue(self.parcel(message.clone(), DeliveryState::Pending));
                }
            }
            Mode::Drop => drop(self.parcel(message, DeliveryState::Dropped)),
            Mode::Hold => self.hold(message),
            Mode::Reorder => {
                self.hold(message);
                let mut held = self.0.held.lock();
                if held.len() >= n.clamp(2, 100) {
                    let parcels = held.drain(..).rev().collect();
                    let sender = self.clone();
                    self.0.background.spawn(async move { sender.one_after_another(parcels).await });
                }
            }
            Mode::Delay => {
                let (parcel, sender) = (self.parcel(message, DeliveryState::Pending), self.clone());
                self.0.background.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(disturbance.delay_ms)).await;
                    sender.queue(parcel);
                });
            }
        }
    }

    /// Changes how new messages are treated.
    pub fn disturb(&self, disturbance: Disturbance) {
        *self.0.disturbance.lock() = disturbance;
    }

    /// The setting in force.
    pub fn disturbance(&self) -> Disturbance {
        *self.0.disturbance.lock()
    }

    /// Sends what was kept back, one after another, each after the first answer to the one before. `permute` lists positions of
    /// kept messages (twice = sent twice); those it does not name follow in their order. Returns how many were sent.
    pub async fn flush(&self, permute: &[usize]) -> usize {
        let held: Vec<Parcel> = self.0.held.lock().drain(..).collect();
        let mut order: Vec<usize> = permute.iter().copied().filter(|index| *index < held.len()).collect();
        order.extend((0..held.len()).filter(|index| !permute.contains(index)));
        let parcels: Vec<Parcel> = order.into_iter().map(|index| held[index].clone()).collect();
        let count = parcels.len();
        self.one_after_another(parcels).await;
        count
    }

    /// Every delivery with its attempts, oldest first.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.0.history.all()
    }

    /// The deliveries of one lane, oldest first.
    pub fn deliveries_of(&self, lane: &str) -> Vec<DeliveryRecord> {
        self.0.history.of_lane(lane)
    }

    /// Forgets history, kept messages, planned retries and the disturbance.
    pub(crate) fn clear(&self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
        self.0.held.lock().clear();
        self.0.lanes.lock().values_mut().for_each(VecDeque::clear);
        self.0.history.clear();
        self.disturb(Disturbance::default());
    }

    fn parcel(&self, message: Message, state: DeliveryState) -> Parcel {
        let id = self.0.history.open(&message.event, &message.lane, &message.body, state);
        Parcel { id, epoch: self.0.epoch.load(Ordering::SeqCst), message }
    }

    fn hold(&self, message: Message) {
        let parcel = self.parcel(message, DeliveryState::Held);
        let mut held = self.0.held.lock();
        if held.len() < HELD_MAX {
            held.push(parcel);
        }
    }

    async fn one_after_another(&self, parcels: Vec<Parcel>) {
        for parcel in parcels {
            self.first_attempt(parcel).await;
        }
    }

    fn queue(&self, parcel: Parcel) {
        let lane = parcel.message.lane.clone();
        let mut lanes = self.0.lanes.lock();
        if let Some(waiting) = lanes.get_mut(&lane) {
            return waiting.push_back(parcel);
        }
        lanes.insert(lane.clone(), VecDeque::new());
        let sender = self.clone();
        self.0.background.spawn(async move {
            let mut next = Some(parcel);
            while let Some(parcel) = next {
                sender.first_attempt(parcel).await;
                let mut lanes = sender.0.lanes.lock();
                next = lanes.get_mut(&lane).and_then(VecDeque::pop_front);
                if next.is_none() {
                    lanes.remove(&lane);
                }
            }
        });
    }

    async fn first_attempt(&self, parcel: Parcel) {
        if self.attempt(&parcel, 1).await {
            let sender = self.clone();
            self.0.background.spawn(async move { sender.retry(parcel).await });
        }
    }

    async fn retry(&self, parcel: Parcel) {
        for number in 2.. {
            let Some(pause) = self.pause(&parcel.message, number) else { return };
            tokio::time::sleep(pause).await;
            if !self.attempt(&parcel, number).await {
                return;
            }
        }
    }

    /// The pause before attempt `number`, if there is to be one.
    fn pause(&self, message: &Message, number: u32) -> Option<Duration> {
        let index = usize::try_from(number).ok()?.checked_sub(2)?;
        match &message.retries {
            Some(retries) => retries.get(index).copied(),
            None => self.0.policy.retries.get(index).map(|pause| pause.div_f64(self.0.time_factor)),
        }
    }

    /// Makes one attempt; true if another one is to follow.
    async fn attempt(&self, parcel: &Parcel, number: u32) -> bool {
        let Ok(_permit) = self.0.permits.acquire().await else { return false };
        if parcel.epoch != self.0.epoch.load(Ordering::SeqCst) {
            return false;
        }
        let Message { body, sign, on_answer, .. } = &parcel.message;
        let (now, tamper) = (clock::now(), self.0.disturbance.lock().signature);
        let signed = sign(&Attempt { body, number, now, tamper });
        let mut answer = Answer {
            number,
            at: now,
            url: signed.url.clone(),
            status: None,
            error: None,
            body: Bytes::new(),
        };
        match self.0.outbound.send(request(&signed, body, self.0.policy.answer_within)).await {
            Ok(response) => {
                answer.status = Some(response.status);
                answer.body = response.body.slice(..response.body.len().min(ANSWER_BYTES_MAX));
            }
            Err(error) => answer.error = Some(vendor_word(&error)),
        }
        let may_go_on = on_answer.as_ref().is_none_or(|hear| hear(&answer));
        let delivered = answer.status.is_some_and(self.0.policy.success);
        let pause = self.pause(&parcel.message, number + 1).filter(|_| may_go_on && !delivered);
        self.0.history.note(parcel.id, |record| {
            record.url = Some(without_query(&signed.url));
            record.attempts.push(AttemptRecord {
                number,
                at: clock::iso_millis(now),
                headers: signed.headers.iter().map(redacted).collect(),
                status: answer.status,
                error: answer.error,
            });
            record.next_try = pause.map(|pause| clock::iso_millis(clock::now().after(pause)));
            record.state = match (delivered, pause) {
                (true, _) => DeliveryState::Delivered,
                (false, Some(_)) => DeliveryState::Pending,
                (false, None) => DeliveryState::Failed,
            };
        });
        pause.is_some()
    }
}
