//! The edge as its clients and its agent meet it: real sockets on the loopback, small backends behind it.

mod stage;

mod routing;

mod streaming;

mod upgrades;

mod replays;

mod drains;

mod limits;

mod hostile;

mod middlewares;

mod control;
