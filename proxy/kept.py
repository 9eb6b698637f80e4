"""An activation as a row of the store, both ways. Pure."""

from proxy.legacy.activation import Activation
from proxy.model import Key
from proxy.store import Forward, Kept


def row_of(key: Key, activation: Activation, forwards: tuple[Forward, ...] = ()) -> Kept:
    return Kept(
        key=key.hash,
        id=activation.id,
        order=activation.order,
        service=activation.service,
        told=bool(activation.told),
        finished=activation.finished,
        cancelling=activation.cancelling,
        confirmed=activation.is_confirmed,
        asked_at=activation.asked_at,
        wish=activation.wish,
        forwards=forwards,
    )


def activation_of(row: Kept) -> Activation:
    return Activation(
        row.id,
        row.order,
        row.service,
        told=row.told,
        finished=row.finished,
        cancelling=row.cancelling,
        is_confirmed=row.confirmed,
        asked_at=row.asked_at,
        wish=row.wish,
        # What was kept was queued with it; what came before there was a target is old news.
        forwarded=row.order.texts,
    )
