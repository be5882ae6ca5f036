"""One auction in sets and exact fractions: the slow twin of the engine, written from the documentation of `Rules`."""

from fractions import Fraction


class SlowAuction:
    """One world. Prices, budgets and payments are fractions; items and bidders are numbers."""

    def __init__(self, rules, budgets, items, order, luck):
        self.rules = rules
        self.bidders, self.items = range(len(budgets)), range(items)
        self.money = [Fraction(b) for b in budgets]  # below 0 in debt
        self.slack = [Fraction(rules.price_tolerance) * b for b in self.money]
        self.order, self.luck = order, luck
        self.owner, self.paid = {}, {}
        self.rounds, self.closed, self.cut_off = 0, False, False
        self.offer_all(set(self.items))

    def offer_all(self, items):
        self.on_offer = set(items)
        self.offered = len(items)
        self.price = {i: Fraction(self.rules.start_price) for i in self.items}
        self.last = {}  # item: who has bid for it last, and at what price
        self.entered = [set(items) for _ in self.bidders]  # what one may still bid for, under activity="item"
        self.points = [len(items) for _ in self.bidders]  # for how many one may, under activity="eligibility"
        self.silent = False

    @property
    def budgets(self):
        return [max(m, Fraction(0)) for m in self.money]

    def purse(self, o):
        return self.budgets[o] + self.slack[o]

    def held(self, o):
        return {i for i in self.on_offer if self.owner.get(i) == o}

    def permitted(self, o):
        may = {i for i in self.on_offer - self.held(o) if self.price[i] <= self.purse(o)}
        if self.rules.activity == "item":
            return may & self.entered[o]
        if self.rules.activity == "eligibility" and self.points[o] <= len(self.held(o)):
            return set()
        return may

    def kept(self, o, bids, priority):
        """Of a bidder's bids, those that count."""
        places = len(bids)
        if self.rules.activity == "eligibility":
            places = self.points[o] - len(self.held(o))
        left, kept = self.purse(o), set()
        for i in sorted(bids, key=lambda i: (-priority[i], i)):
            fits = self.rules.budget_rule == "penalty" or self.price[i] <= left
            if fits and len(kept) < places:
                kept.add(i)
                left -= self.price[i]
        return kept

    def sells_at(self, price):
        return price >= Fraction(self.rules.reserve_price) * (1 - Fraction(self.rules.price_tolerance))

    def sell(self, item, o, price):
        self.owner[item], self.paid[item] = o, price
        self.money[o] -= price

    def play(self, wishes, priority, allowed):
        """Bids that counted (sets), numbers of refused ones, payments, overshoot."""
        none = [Fraction(0) for _ in self.bidders]
        if self.closed or self.cut_off:
            return [set() for _ in self.bidders], [len(w) for w in wishes], none, none
        before = list(self.money)
        legal = [wishes[o] & allowed[o] & self.permitted(o) for o in self.bidders]
        bids = [self.kept(o, legal[o], priority[o]) for o in self.bidders]
        active = [bids[o] | self.held(o) for o in self.bidders]
        named = {i: {o for o in self.bidders if i in bids[o]} for i in self.on_offer}
        for item, who in named.items():
            if who and item in self.owner:  # outbid: the money goes back
                self.money[self.owner.pop(item)] += self.paid.pop(item)
        purses = [self.purse(o) for o in self.bidders]
        won = [set() for _ in self.bidders]
        for item, who in named.items():
            if len(who) == 1 and self.sells_at(self.price[item]):
                (o,) = who
                won[o].add(item)
                self.sell(item, o, self.price[item])
        overshoot = [self.beyond(purses[o], won[o], priority[o]) for o in self.bidders]
        if self.rules.closing == "item":
            self.on_offer -= set().union(*won)
        if self.rules.activity == "item":
            self.give_up({i for i, who in named.items() if not who and i not in self.owner})
        for item, who in named.items():
            if who:
                self.last[item] = who, self.price[item]
        for o in self.bidders:
            self.entered[o] = active[o]
            gone = len(won[o]) if self.rules.closing == "item" else 0
            self.points[o] = min(self.points[o], len(active[o])) - gone
        for item in self.items:
            if self.rules.pricing == "uniform-clock" or named.get(item):
                step = Fraction(self.rules.increment)
                self.price[item] += step if self.rules.increment_rule == "absolute" else step * self.price[item]
        self.silent = not any(bids)
        self.rounds += 1
        refused = [len(wishes[o]) - len(legal[o]) for o in self.bidders]
        return bids, refused, [b - m for b, m in zip(before, self.money, strict=True)], overshoot

    def beyond(self, purse, won, priority):
        """Price of what is won beyond a purse."""
        total = Fraction(0)
        for i in sorted(won, key=lambda i: (-priority[i], i)):
            if self.price[i] <= purse:
                purse -= self.price[i]
            else:
                total += self.price[i]
        return total

    def give_up(self, items):
        """The rule for items that nobody wants at their price."""
        self.on_offer -= items
        for item in self.order:
            if item not in items or item not in self.last or self.rules.unsold_rule != "previous-bidder":
                continue
            who, price = self.last[item]
            able = sorted(o for o in who if price <= self.purse(o))
            if able and self.sells_at(price):
                self.sell(item, able[int(self.luck[item] * len(able))], price)

    def settle(self, allowed):
        """Close, or offer again, where nobody goes on; payments for what goes to previous bidders."""
        before = list(self.money)
        if self.closed or self.cut_off:
            return [Fraction(0) for _ in self.bidders]
        limit = self.rules.max_rounds
        if self.silent or not any(allowed[o] & self.permitted(o) for o in self.bidders):
            self.closed = True
            self.give_up({i for i in self.on_offer if i not in self.owner})
            left = set(self.items) - set(self.owner)
            again = self.rules.unsold_rule == "reoffer" and left and len(left) < self.offered
            if again and (limit is None or self.rounds < limit):
                self.offer_all(left)
                self.closed = not any(allowed[o] & self.permitted(o) for o in self.bidders)
            if self.closed:
                self.on_offer = set()
        self.cut_off = not self.closed and limit is not None and self.rounds >= limit
        return [b - m for b, m in zip(before, self.money, strict=True)]
