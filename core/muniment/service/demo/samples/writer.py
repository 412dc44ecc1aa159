"""Writes the company's letters: sender, recipients, subject, text and attachments."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from textwrap import fill

from muniment.service.demo.samples import files
from muniment.service.demo.samples.files import SampleFile
from muniment.service.demo.samples.letter import SampleLetter, SampleRecipient, mailbox
from muniment.service.demo.samples.people import DOMAIN, LISTS, NEWCOMER, PARTNERS, STAFF, SamplePerson
from muniment.service.demo.samples.words import PLACES, PROJECTS, TONGUES, LetterLanguage

START = 1736150400
"""2025-01-06 08:00 UTC, a Monday."""
SHARING = 50
"""How many letters carry the price list."""
STYLES = ("plain", "alternative", "plain", "alternative", "html")
ENCODINGS = ("8bit", "quoted-printable", "base64")


@dataclass(slots=True)
class LetterWriter:
    """Writes letters without end. The same seed gives the same letters."""

    random: Random
    number: int = 0
    clock: int = START
    shared: int = 0

    def letters(self) -> Iterator[SampleLetter]:
        """Yield letters in the order of their dates."""
        recent: deque[SampleLetter] = deque(maxlen=40)
        price_list = files.price_list()
        while True:
            self.number += 1
            self.clock += self.random.randrange(60, 3600 * 4)
            answered = self.random.choice(recent) if recent and self.random.random() < 0.35 else None
            letter = self._reply(answered) if answered else self._first(price_list)
            if letter.recipients:
                recent.append(letter)
                yield letter

    # --- people ------------------------------------------------------------------------------------

    def _first(self, price_list: SampleFile) -> SampleLetter:
        if self.random.random() < 0.3:
            sender = self.random.choice(PARTNERS)
            to = [SampleRecipient("To", self._reached(self.random.choice(STAFF)))]
        else:
            sender = self.random.choice(STAFF)
            to = [
                SampleRecipient("To", person) for person in self._others(sender, self.random.randrange(1, 3))
            ]
        cc = [SampleRecipient("Cc", p) for p in self._others(sender, self.random.choice((0, 0, 1, 2)))]
        return self._letter(sender, to, cc, None, self._files(price_list))

    def _reply(self, answered: SampleLetter) -> SampleLetter:
        """A reply by a recipient to the author, with a copy to others."""
        names = [r.person for r in answered.recipients if r.kind != "Bcc"]
        sender = self._plain_self(self.random.choice(names)) if names else self.random.choice(STAFF)
        author = answered.behalf or answered.sender
        cc = [SampleRecipient("Cc", p) for p in names if p.user not in (sender.user, author.user)][:2]
        return self._letter(sender, [SampleRecipient("To", author)], cc, answered, ())

    def _plain_self(self, person: SamplePerson) -> SamplePerson:
        """The person with their primary address, from which they write."""
        return person.at(person.user) if person.user else person

    def _others(self, sender: SamplePerson, count: int) -> list[SamplePerson]:
        pool = [p for p in (*STAFF, *STAFF, *PARTNERS, NEWCOMER) if p.address != sender.address]
        if not sender.user:
            pool = [p for p in pool if p.user]
        chosen = dict.fromkeys(self.random.choice(pool) for _ in range(count))
        return [self._reached(person) for person in chosen]

    def _reached(self, person: SamplePerson) -> SamplePerson:
        """The person with a random one of their addresses, as the sender may know it."""
        luck = self.random.random()
        if person.aliases and luck < 0.1:
            return person.at(self.random.choice(person.aliases))
        if person.user and luck < 0.14:
            local = person.address.partition("@")[0]
            return person.at(f"{local}+{self.random.choice(('shop', 'fair', 'news'))}@{DOMAIN}")
        if person.user and luck < 0.2:
            return person.at(person.address.title())
        return person

    # --- content -----------------------------------------------------------------------------------

    def _letter(
        self,
        sender: SamplePerson,
        to: list[SampleRecipient],
        cc: list[SampleRecipient],
        answered: SampleLetter | None,
        attached: tuple[SampleFile, ...],
    ) -> SampleLetter:
        tongue = TONGUES[sender.language]
        values = self._values(tongue)
        topic = tongue.topics[self.random.choice(tuple(tongue.topics))]
        subject = self._subject(answered, self.random.choice(topic.subjects).format_map(values))
        chosen = (topic.sentences[0], *self.random.sample(topic.sentences[1:], 2))
        sentences = [s.format_map(values) for s in (*chosen, *self.random.sample(tongue.filler, 2))]
        listed = self._list(sender)
        extra, behalf = self._extras(sender, to[0].person)
        return SampleLetter(
            number=self.number,
            sender=sender,
            recipients=_once((*to, *cc, *_members(listed), *extra)),
            subject=subject,
            text=self._text(tongue, sender, to[0].person, sentences, answered),
            time=self.clock,
            to=(*(mailbox(r.person) for r in to), *((f"<{listed}>",) if listed else ())),
            cc=tuple(mailbox(r.person) for r in cc),
            behalf=behalf,
            files=attached,
            replies_to=answered.message_id if answered else "",
            style=self.random.choice(STYLES),
            encoding=self.random.choice(ENCODINGS),
        )

    def _list(self, sender: SamplePerson) -> str:
        return self.random.choice(tuple(LISTS)) if sender.user and self.random.random() < 0.06 else ""

    def _extras(
        self, sender: SamplePerson, first: SamplePerson
    ) -> tuple[list[SampleRecipient], SamplePerson | None]:
        """Recipients by Bcc or forwarding, and the person on whose behalf the letter is written."""
        luck = self.random.random()
        if sender.user and luck < 0.08:
            return [SampleRecipient("Bcc", person) for person in self._others(sender, 1)], None
        if not sender.user and luck < 0.1:
            stand_in = self.random.choice(STAFF)
            return [SampleRecipient("To", stand_in, f"Forwarded: {first.address}")], None
        if sender.user and luck < 0.11 and sender != STAFF[0]:
            return [], STAFF[0]
        return [], None

    def _values(self, tongue: LetterLanguage) -> dict[str, str]:
        number = self.random.randrange
        day = time.gmtime(self.clock + 86400 * number(2, 30))
        return {
            "project": self.random.choice(PROJECTS),
            "item": self.random.choice(tongue.items),
            "place": self.random.choice(PLACES),
            "ref": f"NL-{number(1000, 9999)}",
            "count": str(number(2, 60)),
            "amount": f"{number(1, 90)} {number(100, 999)}",
            "day": time.strftime("%d.%m.%Y", day),
        }

    def _subject(self, answered: SampleLetter | None, fresh: str) -> str:
        if answered is None:
            return fresh
        return answered.subject if answered.subject.startswith("Re: ") else f"Re: {answered.subject}"

    def _text(
        self,
        tongue: LetterLanguage,
        sender: SamplePerson,
        first: SamplePerson,
        sentences: list[str],
        answered: SampleLetter | None,
    ) -> str:
        middle = len(sentences) // 2
        paragraphs = [
            tongue.greeting.format(name=first.name),
            fill(" ".join(sentences[:middle]), 74),
            fill(" ".join(sentences[middle:]), 74),
            f"{tongue.closing}\n{sender.name}",
        ]
        if answered is not None:
            day = time.strftime("%d.%m.%Y", time.gmtime(answered.time))
            quoted = "\n".join(f"> {line}" for line in answered.text.split("\n")[:8])
            paragraphs += [tongue.wrote.format(day=day, name=answered.sender.name) + "\n" + quoted]
        return "\n\n".join(paragraphs) + "\n"

    def _files(self, price_list: SampleFile) -> tuple[SampleFile, ...]:
        if self.shared < SHARING and self.number % 5 == 0:
            self.shared += 1
            return (price_list,)
        luck = self.random.random()
        if luck < 0.08:
            return (files.csv(f"measurements-{self.number}.csv", self.random, 120),)
        if luck < 0.14:
            return (files.png(f"lens-{self.number}.png", self.random),)
        return ()


def _members(listed: str) -> list[SampleRecipient]:
    return [SampleRecipient("To", person, f"Expanded: {listed}") for person in LISTS.get(listed, ())]


def _once(recipients: tuple[SampleRecipient, ...]) -> tuple[SampleRecipient, ...]:
    """Each address once, since a server delivers a message once to a mailbox."""
    return tuple({r.person.address.lower(): r for r in reversed(recipients)}.values())[::-1]
