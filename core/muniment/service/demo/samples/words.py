"""Templates of sentences in three languages, for the letters of the sample company.

The writer fills in `{project}`, `{item}`, `{place}`, `{ref}`, `{count}`, `{amount}` and `{day}`. The
sentences are built so that each value fits without inflection.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LetterTopic:
    """One kind of letter: its possible subjects and sentences."""

    subjects: tuple[str, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LetterLanguage:
    """The phrases of letters in one language."""

    greeting: str
    closing: str
    wrote: str
    items: tuple[str, ...]
    filler: tuple[str, ...]
    topics: dict[str, LetterTopic]


PROJECTS = (
    "Leuchtturm",
    "Polaris",
    "Klippe",
    "Sturmvogel",
    "Nebelhorn",
    "Bernstein",
    "Morgenrot",
    "Ankerplatz",
)
PLACES = ("Flensburg", "Bergen", "Odesa", "Whitby", "Rostock", "Lviv", "Esbjerg", "Tromsø", "Dundee", "Husum")

ENGLISH = LetterLanguage(
    greeting="Hello {name},",
    closing="Kind regards",
    wrote="On {day} {name} wrote:",
    items=(
        "rotating lens",
        "signal lamp",
        "prism ring",
        "fog sensor",
        "lamp changer",
        "beacon controller",
        "storm shutter",
        "mirror panel",
    ),
    filler=(
        "The weather on the coast has been kind to us, so the work outside went faster than planned.",
        "Please keep the drawings with the rest of the papers for {project}.",
        "If anything is unclear, ring me before noon; in the afternoon I am in the workshop.",
        "I have put the figures into one table, so that nobody has to look for them again.",
        "The harbour office in {place} is asking for a short note once a week.",
        "Nothing of this is secret, but let us talk to the customer before anybody else does.",
        "We should write down what we decided, or we shall decide it a third time.",
        "My train was late again, so I missed the first half of the talk.",
        "The old lamp in {place} still burns after forty years, which says something about the makers.",
        "Let us not promise a date before the glassworks has confirmed theirs.",
    ),
    topics={
        "offer": LetterTopic(
            ("Offer {ref} for {project}", "Your enquiry about the {item}"),
            (
                "Thank you for asking about the {item}; our offer {ref} is ready.",
                "For {count} pieces we can do {amount} euros, delivered to {place}.",
                "The offer holds until {day} and includes the spare parts for two years.",
                "A smaller lot is possible, though the price for a piece goes up by a tenth.",
                "The {item} comes with a certificate of its luminous range.",
            ),
        ),
        "order": LetterTopic(
            ("Order {ref}: {count} x {item}", "Confirmation of order {ref}"),
            (
                "We confirm order {ref} for {count} pieces of the {item}.",
                "Please send the goods to the yard in {place}, gate four.",
                "The agreed price is {amount} euros without tax.",
                "We need the parts by {day}, since the crane is booked for that morning.",
                "Part of it may come early, as long as the crates are marked {project}.",
            ),
        ),
        "delivery": LetterTopic(
            ("Delivery to {place} is late", "Shipment {ref} has left"),
            (
                "The lorry with {count} crates left this morning and should reach {place} on {day}.",
                "One crate was damaged at the ferry, and the {item} inside must be checked.",
                "The carrier says that the storm closed the bridge for most of the night.",
                "I have asked for a photograph of every seal before anything is unloaded.",
                "Shipment {ref} is insured for {amount} euros.",
            ),
        ),
        "invoice": LetterTopic(
            ("Invoice {ref}", "Reminder: invoice {ref} is open"),
            (
                "Please find invoice {ref} over {amount} euros for the {item}.",
                "Payment is due on {day}; two per cent discount within ten days.",
                "The bookkeeper found that {count} hours were written down twice.",
                "We have corrected the sum and cancelled the earlier invoice.",
                "Kindly name the project {project} when you transfer the money.",
            ),
        ),
        "meeting": LetterTopic(
            ("Meeting about {project} on {day}", "Notes from our meeting in {place}"),
            (
                "Can we meet on {day} to look at the plan for {project}?",
                "The notes from {place} are below; please add what I forgot.",
                "We agreed on {count} measurements a night and a spare {item} on site.",
                "The budget of {amount} euros is enough if the tower needs no new stairs.",
                "Bring a warm coat, the gallery is open to the wind.",
            ),
        ),
        "quality": LetterTopic(
            ("Test report {ref} for the {item}", "Scratches on the {item}"),
            (
                "We tested {count} units of the {item}, and all but one held the limit.",
                "The failed unit shows a fine crack near the rim, see report {ref}.",
                "The supplier in {place} will replace it at no cost.",
                "Until {day} nothing of that batch may leave the house.",
                "The repair would cost {amount} euros, more than a new one.",
            ),
        ),
        "travel": LetterTopic(
            ("Trip to {place}", "Rooms for the crew in {place}"),
            (
                "I shall be in {place} until {day} and read mail in the evenings only.",
                "The crew of {count} needs rooms close to the harbour.",
                "The tickets come to {amount} euros, booked under {ref}.",
                "Take the {item} as hand luggage, it does not like to be dropped.",
                "The ferry does not sail when the wind is above nine.",
            ),
        ),
    },
)

GERMAN = LetterLanguage(
    greeting="Hallo {name},",
    closing="Viele Grüße",
    wrote="Am {day} schrieb {name}:",
    items=(
        "Drehlinse",
        "Signalleuchte",
        "Prismenring",
        "Nebelmelder",
        "Lampenwechsler",
        "Feuersteuerung",
        "Sturmklappe",
        "Spiegelplatte",
    ),
    filler=(
        "Das Wetter an der Küste war gnädig, deshalb sind wir draußen schneller fertig geworden.",
        "Bitte legt die Zeichnungen zu den übrigen Unterlagen für {project}.",
        "Bei Fragen ruft mich vor zwölf an, nachmittags bin ich in der Werkstatt.",
        "Ich habe alle Zahlen in eine Tabelle geschrieben, damit niemand mehr suchen muss.",
        "Das Hafenamt in {place} möchte einmal in der Woche eine kurze Nachricht.",
        "Geheim ist davon nichts, aber der Kunde soll es zuerst von uns hören.",
        "Schreiben wir auf, was wir beschlossen haben, sonst beschließen wir es ein drittes Mal.",
        "Mein Zug hatte wieder Verspätung, die erste Hälfte des Vortrags fehlt mir.",
        "Die alte Lampe in {place} brennt nach vierzig Jahren noch immer.",
        "Versprechen wir keinen Termin, bevor die Glashütte ihren bestätigt hat.",
    ),
    topics={
        "offer": LetterTopic(
            ("Angebot {ref} für {project}", "Ihre Anfrage: {item}"),
            (
                "vielen Dank für Ihre Anfrage, unser Angebot {ref} liegt bereit.",
                "Für {count} Stück können wir {amount} Euro anbieten, frei Haus nach {place}.",
                "Das Angebot gilt bis {day} und enthält Ersatzteile für zwei Jahre.",
                "Eine kleinere Menge ist möglich, der Stückpreis steigt dann um ein Zehntel.",
                "Zum Lieferumfang gehört ein Zeugnis über die Tragweite des Lichts ({item}).",
            ),
        ),
        "order": LetterTopic(
            ("Bestellung {ref}: {count} x {item}", "Auftragsbestätigung {ref}"),
            (
                "wir bestätigen die Bestellung {ref} über {count} Stück, Artikel: {item}.",
                "Bitte liefern Sie an den Bauhof in {place}, Tor vier.",
                "Vereinbart sind {amount} Euro ohne Steuer.",
                "Wir brauchen die Teile bis {day}, weil der Kran für diesen Morgen bestellt ist.",
                "Teillieferungen sind willkommen, wenn die Kisten mit {project} beschriftet sind.",
            ),
        ),
        "delivery": LetterTopic(
            ("Lieferung nach {place} verspätet sich", "Sendung {ref} ist unterwegs"),
            (
                "der Lastwagen mit {count} Kisten fuhr heute früh los und soll am {day} in {place} sein.",
                "Eine Kiste wurde an der Fähre beschädigt, der Inhalt ({item}) muss geprüft werden.",
                "Der Spediteur sagt, der Sturm habe die Brücke fast die ganze Nacht gesperrt.",
                "Ich habe um ein Foto jeder Plombe gebeten, bevor etwas ausgeladen wird.",
                "Die Sendung {ref} ist mit {amount} Euro versichert.",
            ),
        ),
        "invoice": LetterTopic(
            ("Rechnung {ref}", "Zahlungserinnerung zu Rechnung {ref}"),
            (
                "anbei die Rechnung {ref} über {amount} Euro, Artikel: {item}.",
                "Zahlbar bis {day}, zwei Prozent Skonto innerhalb von zehn Tagen.",
                "Die Buchhaltung hat bemerkt, dass {count} Stunden doppelt geschrieben waren.",
                "Wir haben die Summe berichtigt und die frühere Rechnung storniert.",
                "Bitte geben Sie bei der Überweisung das Projekt {project} an.",
            ),
        ),
        "meeting": LetterTopic(
            ("Besprechung zu {project} am {day}", "Protokoll unserer Besprechung in {place}"),
            (
                "können wir uns am {day} den Plan für {project} ansehen?",
                "Das Protokoll aus {place} steht unten, bitte ergänzt, was ich vergessen habe.",
                "Wir haben uns auf {count} Messungen je Nacht geeinigt, dazu Ersatz vor Ort: {item}.",
                "Die {amount} Euro reichen, wenn der Turm keine neue Treppe braucht.",
                "Zieht euch warm an, die Galerie steht im Wind.",
            ),
        ),
        "quality": LetterTopic(
            ("Prüfbericht {ref}: {item}", "Kratzer ({item})"),
            (
                "wir haben {count} Geräte geprüft ({item}), alle bis auf eines halten den Grenzwert ein.",
                "Das fehlerhafte Gerät hat einen feinen Riss am Rand, siehe Bericht {ref}.",
                "Der Lieferant in {place} ersetzt es kostenlos.",
                "Bis {day} darf aus dieser Charge nichts das Haus verlassen.",
                "Die Reparatur würde {amount} Euro kosten, mehr als ein neues Gerät.",
            ),
        ),
        "travel": LetterTopic(
            ("Reise nach {place}", "Zimmer für die Mannschaft in {place}"),
            (
                "ich bin bis {day} in {place} und lese Post nur am Abend.",
                "Die Mannschaft ({count} Personen) braucht Zimmer nahe am Hafen.",
                "Die Fahrkarten kosten {amount} Euro, gebucht unter {ref}.",
                "Nehmt das empfindliche Teil ({item}) bitte ins Handgepäck.",
                "Über Windstärke neun fährt die Fähre nicht.",
            ),
        ),
    },
)

UKRAINIAN = LetterLanguage(
    greeting="Вітаю, {name}!",
    closing="З повагою",
    wrote="{day} {name} пише:",
    items=(
        "обертова лінза",
        "сигнальна лампа",
        "призмове кільце",
        "датчик туману",
        "змінювач ламп",
        "блок керування",
        "штормова заслінка",
        "дзеркальна панель",
    ),
    filler=(
        "Погода на узбережжі була доброю, тож надворі ми впоралися швидше.",
        "Покладіть, будь ласка, креслення до решти паперів проєкту {project}.",
        "Якщо щось незрозуміло, телефонуйте до полудня, потім я в майстерні.",
        "Усі цифри я звела в одну таблицю, щоб ніхто більше їх не шукав.",
        "Портова служба ({place}) просить коротку записку щотижня.",
        "Таємниці тут немає, але замовник має почути це спершу від нас.",
        "Запишімо, що вирішили, бо доведеться вирішувати втретє.",
        "Мій потяг знову запізнився, тому початок доповіді я пропустила.",
        "Стара лампа ({place}) горить уже сорок років.",
        "Не обіцяймо дати, доки скляний завод не підтвердить свою.",
    ),
    topics={
        "offer": LetterTopic(
            ("Пропозиція {ref}: {project}", "Ваш запит: {item}"),
            (
                "Дякуємо за запит, наша пропозиція {ref} готова.",
                "За {count} штук просимо {amount} євро разом із доставкою ({place}).",
                "Пропозиція чинна до {day}, запасні частини на два роки входять у ціну.",
                "Можлива й менша партія, але ціна за штуку зросте на десяту частину.",
                "До виробу ({item}) додаємо свідоцтво про дальність світла.",
            ),
        ),
        "order": LetterTopic(
            ("Замовлення {ref}: {item}", "Підтвердження замовлення {ref}"),
            (
                "Підтверджуємо замовлення {ref}: {item}, {count} штук.",
                "Надішліть, будь ласка, товар на склад ({place}), четверта брама.",
                "Погоджена ціна {amount} євро без податку.",
                "Деталі потрібні до {day}, бо на той ранок замовлено кран.",
                "Можна й частинами, якщо на ящиках буде напис {project}.",
            ),
        ),
        "delivery": LetterTopic(
            ("Доставка запізнюється: {place}", "Вантаж {ref} у дорозі"),
            (
                "Вантажівка ({count} ящиків) виїхала вранці, прибуття {day}, місце: {place}.",
                "Один ящик пошкоджено на поромі, вміст треба перевірити: {item}.",
                "Перевізник каже, що буря закрила міст майже на всю ніч.",
                "Я попросила фото кожної пломби, перш ніж щось вивантажать.",
                "Вантаж {ref} застраховано на {amount} євро.",
            ),
        ),
        "invoice": LetterTopic(
            ("Рахунок {ref}", "Нагадування: рахунок {ref} не сплачено"),
            (
                "Надсилаємо рахунок {ref} на {amount} євро ({item}).",
                "Оплата до {day}, знижка два відсотки протягом десяти днів.",
                "Бухгалтерія помітила, що {count} годин записано двічі.",
                "Суму виправлено, попередній рахунок скасовано.",
                "У платежі вкажіть, будь ласка, проєкт {project}.",
            ),
        ),
        "meeting": LetterTopic(
            ("Зустріч щодо {project}, {day}", "Нотатки з нашої зустрічі: {place}"),
            (
                "Чи можемо ми {day} переглянути план ({project})?",
                "Нотатки нижче ({place}), додайте, що я забула.",
                "Домовилися про {count} вимірювань за ніч і запас на місці: {item}.",
                "Бюджет {amount} євро достатній, якщо вежі не потрібні нові сходи.",
                "Візьміть теплий одяг, на галереї вітер.",
            ),
        ),
        "quality": LetterTopic(
            ("Звіт про випробування {ref}: {item}", "Подряпини: {item}"),
            (
                "Перевірено {count} виробів ({item}), усі, крім одного, у межах норми.",
                "На бракованому виробі тонка тріщина біля краю, дивіться звіт {ref}.",
                "Постачальник ({place}) замінить його безкоштовно.",
                "До {day} нічого з цієї партії не відвантажуємо.",
                "Ремонт коштував би {amount} євро, більше за новий виріб.",
            ),
        ),
        "travel": LetterTopic(
            ("Відрядження: {place}", "Кімнати для бригади: {place}"),
            (
                "Я у відрядженні до {day} ({place}), пошту читаю лише ввечері.",
                "Бригаді з {count} осіб потрібні кімнати біля порту.",
                "Квитки коштують {amount} євро, бронювання {ref}.",
                "Крихку річ ({item}) беріть у ручну поклажу.",
                "Коли вітер понад дев'ять балів, пором не ходить.",
            ),
        ),
    },
)

TONGUES = {"en": ENGLISH, "de": GERMAN, "uk": UKRAINIAN}
