"""The names of months, weekdays and time zones in the dates of mail.

Months and weekdays are those of Unicode's CLDR 49 (wide and abbreviated, format and stand-alone), taken from
Babel 2.19: English, German, French, Italian, Spanish, Portuguese, Dutch, Swedish, Danish, Norwegian, Finnish,
Polish, Czech, Slovak, Slovenian, Hungarian, Romanian, Turkish, Estonian, Latvian, Lithuanian, Russian,
Ukrainian, Bulgarian and Greek. This is a table, since Babel brings the data of a thousand locales, and these
names do not change. Chinese, Japanese and Korean dates use numbers.
"""

from __future__ import annotations

import unicodedata

_LONGEST = 64
"""Characters of a word that are examined."""
_LETTERS = str.maketrans("łøđı", "lodi")


def folded(word: str) -> str:
    """A word of a date in the form of the tables: lower case, without accents and dots."""
    lower = word[:_LONGEST].casefold()
    if not lower.isascii():
        lower = "".join(
            char for char in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(char)
        ).translate(_LETTERS)
    return lower.strip(" .")


_MONTHS = (
    "ene enero gen gennaio ian ianuarie jaan jaanuar jan janeiro janner januar januara januari "
    "january janv janvaris janvier led leden ledna oca ocak saus sausio sausis sty styczen stycznia "
    "tammi tammikuu tammikuuta ιαν ιανουαριοσ ιανουαριου січ січень січня янв январь января яну "
    "януари",
    "feb febbraio febr febrero februar februara februari februarie februaris february fev fevereiro "
    "fevr fevrier helmi helmikuu helmikuuta lut lutego luty sub subat uno unor unora vas vasario "
    "vasaris veebr veebruar φεβ φεβρουαριοσ φεβρουαριου лют лютии лютого фев февр февраль февраля "
    "февруари",
    "bre brezen brezna kov kovas kovo maalis maaliskuu maaliskuuta maart mar marc marca march marcius "
    "marco marec mars mart martie marts marz marzec marzo mrt μαρ μαρτιοσ μαρτιου бер березень "
    "березня мар март марта",
    "abr abril apr april aprila aprile aprilie aprilis aprill avr avril bal balandis balandzio dub "
    "duben dubna huhti huhtikuu huhtikuuta kwi kwiecien kwietnia nis nisan απρ απριλιοσ απριλιου апр "
    "апрель апреля април квіт квітень квітня",
    "geg geguze geguzes kve kveten kvetna mag maggio mai maijs maio maj maja majus may mayis mayo mei "
    "touko toukokuu toukokuuta μαι μαιοσ μαιου маи мая трав травень травня",
    "birz birzelio birzelis cerven cervna cvn cze czerwca czerwiec giu giugno haz haziran iun iunie "
    "juin jun juna june junho juni junij junijs junio junius juuni kesa kesakuu kesakuuta ιουν "
    "ιουνιοσ ιουνιου июн июнь июня черв червень червня юни",
    "cervence cervenec cvc heina heinakuu heinakuuta iul iulie juil juillet jul jula julho juli julij "
    "julijs julio julius july juuli liep liepa liepos lip lipca lipiec lug luglio tem temmuz ιουλ "
    "ιουλιοσ ιουλιου июл июль июля лип липень липня юли",
    "ago agosto agu agustos aout aug august augusta augusti augusts augustus augusztus avg avgust elo "
    "elokuu elokuuta rugp rugpjucio rugpjutis sie sierpien sierpnia srp srpen srpna αυγ αυγουστοσ "
    "αυγουστου авг август августа серп серпень серпня",
    "eyl eylul rugs rugsejis rugsejo sep sept september septembra septembre septembrie septembris "
    "septiembre set setembro settembre syys syyskuu syyskuuta szept szeptember wrz wrzesien wrzesnia "
    "zar zari σεπ σεπτεμβριοσ σεπτεμβριου вер вересень вересня сент сентябрь сентября сеп септември",
    "eki ekim loka lokakuu lokakuuta oct october octobre octombrie octubre okt oktober oktobra "
    "oktobris oktoober ott ottobre out outubro paz pazdziernik pazdziernika rij rijen rijna spal "
    "spalio spalis οκτ οκτωβριοσ οκτωβριου жовт жовтень жовтня окт октомври октябрь октября",
    "kas kasim lapkr lapkricio lapkritis lis listopad listopada listopadu marras marraskuu "
    "marraskuuta noiembrie nov november novembra novembre novembris novembro noviembre νοε νοεμβριοσ "
    "νοεμβριου лист листопад листопада ное ноември нояб ноябрь ноября",
    "ara aralik dec december decembra decembre decembrie decembris des desember dets detsember dez "
    "dezember dezembro dic dicembre diciembre gru grudnia grudzien gruod gruodis gruodzio joulu "
    "joulukuu joulukuuta pro prosince prosinec δεκ δεκεμβριοσ δεκεμβριου груд грудень грудня дек "
    "декабрь декабря декември",
)
_DAYS = (
    "esmaspaev hetfo lun lundi lunedi lunes luni maanantai maanantaina maandag man mandag mon monday "
    "montag pazartesi pirmadienis pirmd pirmdiena pon pondeli pondelok ponedeljek poniedzialek pzt "
    "seg segunda-feira δευ δευτερα понеделник понедельник понеділок",
    "antradienis dienstag dinsdag kedd mar mardi martedi martes marti otrd otrdiena sal sali "
    "teisipaev ter terca-feira tiistai tiistaina tir tirs tirsdag tis tisdag torek tue tuesday tysdag "
    "utery utorok wtorek τρι τριτη вторник вівторок",
    "car carsamba keskiviikko keskiviikkona kolmapaev mer mercoledi mercredi mie miercoles miercuri "
    "mittwoch ons onsdag qua quarta-feira sre sreda sroda streda sze szerda treciadienis tresd "
    "tresdiena wed wednesday woensdag τετ τεταρτη середа среда сряда",
    "cet cetrtek ceturtd ceturtdiena csutortok ctvrtek czw czwartek donderdag donnerstag gio giovedi "
    "jeu jeudi joi jue jueves ketvirtadienis neljapaev per persembe qui quinta-feira stvrtok thu "
    "thursday tors torsdag torstai torstaina πεμ πεμπτη четвер четверг четвъртък",
    "cum cuma fre fredag freitag fri friday patek penktadienis pentek perjantai perjantaina pet petek "
    "piatek piatok piektd piektdiena reede sex sexta-feira ven vendredi venerdi vie viernes vin "
    "vineri vrijdag παρ παρασκευη пʼятниця петък пятница",
    "cmt cumartesi lauantai lauantaina laupaev laurdag lor lordag sab sabado sabato sam sambata "
    "samedi samstag sat saturday sestadienis sestd sestdiena sob sobota szo szombat zaterdag σαβ "
    "σαββατο суббота субота събота",
    "dim dimanche dom domenica domingo dum duminica ned nedela nedele nedelja niedz niedziela paz "
    "pazar puhapaev sekmadienis son sondag sonntag sun sunday sunnuntai sunnuntaina svetd svetdiena "
    "vasarnap zondag κυρ κυριακη воскресенье неделя неділя",
)

MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
"""Number of a month, 1 to 12, by its folded name."""
WEEKDAYS = {name: number for number, names in enumerate(_DAYS) for name in names.split()}
"""Number of a weekday, Monday being 0, by its folded name."""

_HOUR = 3600
ZONES = {
    name: round(hours * _HOUR)
    for hours, names in (
        (0, "z ut utc gmt wet"),
        (1, "cet met mez bst west wat"),
        (2, "cest mest mesz eet oez sast cat"),
        (3, "eest oesz idt msk trt eat"),
        (3.5, "irst"),
        (4, "msd gst samt"),
        (4.5, "irdt aft"),
        (5, "pkt uzt yekt"),
        (5.5, "ist"),
        (5.75, "npt"),
        (6, "omst"),
        (6.5, "mmt"),
        (7, "ict wib krat novt"),
        (8, "hkt sgt awst wita pht irkt myt"),
        (9, "jst kst wit yakt"),
        (9.5, "acst"),
        (10, "aest vlat chst"),
        (10.5, "acdt"),
        (11, "aedt"),
        (12, "nzst"),
        (13, "nzdt"),
        (-2.5, "ndt"),
        (-2, "brst fnt"),
        (-3, "brt art clst adt uyt gft"),
        (-3.5, "nst"),
        (-4, "ast edt clt bot amt vet"),
        (-5, "est cdt cot ect"),
        (-6, "cst mdt"),
        (-7, "mst pdt"),
        (-8, "pst akdt"),
        (-9, "akst hdt"),
        (-10, "hst"),
        (-11, "sst"),
    )
    for name in names.split()
}
"""Seconds east of UTC by a zone's abbreviation.

RFC 5322 4.3 fixes those of North America. Of several zones with one abbreviation, the one with the most
people counts: `ist` is India's, `bst` Britain's. Mail normally has a numeric offset as well, which then
counts instead.
"""
