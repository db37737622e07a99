"""Errors of the Disk API by name: status and text.

Names and statuses as a client that has met them maps them: https://github.com/ivknv/yadisk (yadisk/utils.py).
"""

from sandbox.http.message import Reply, json_reply

# status, description in English, message in Russian, as `error` names them
ERRORS: dict[str, tuple[int, str, str]] = {
    "FieldValidationError": (400, "Error validating field.", "Ошибка проверки поля."),
    "DiskNoContentError": (400, "Request has no content.", "Тело запроса не может быть прочитано."),
    "UnauthorizedError": (401, "Unauthorized", "Не авторизован."),
    "ForbiddenError": (
        403,
        "Access denied. The application may lack rights for this action.",
        "Доступ запрещён. Возможно, у приложения недостаточно прав для данного действия.",
    ),
    "DiskUnsupportedUserAccountTypeError": (
        403,
        "User account type is not supported.",
        "Тип аккаунта пользователя не поддерживается.",
    ),
    "UserIsBlockedError": (403, "User is blocked.", "Пользователь заблокирован."),
    "DiskNotFoundError": (404, "Resource not found.", "Не удалось найти запрошенный ресурс."),
    "DiskOperationNotFoundError": (404, "Operation not found.", "Операция не найдена."),
    "NotFoundError": (404, "Not Found", "Ресурс не найден."),
    "MethodNotAllowedError": (405, "Method Not Allowed", "Метод не поддерживается."),
    "NotAcceptableError": (
        406,
        "Resource can't be shown in the requested format.",
        "Ресурс не может быть представлен в запрошенном формате.",
    ),
    "DiskPathDoesntExistsError": (409, 'Specified path "{}" doesn\'t exists.', 'Указанного пути "{}" не существует.'),
    "DiskPathPointsToExistentDirectoryError": (
        409,
        'Specified path "{}" points to existent directory.',
        "По указанному пути «{}» уже существует папка с таким именем.",
    ),
    "DiskResourceAlreadyExistsError": (409, 'Resource "{}" already exists.', 'Ресурс "{}" уже существует.'),
    "DiskResourceConflictError": (409, "Resource is being changed.", "Ресурс изменяется."),
    "MD5DifferError": (409, "MD5 differs.", "Контрольные суммы не совпадают."),
    "GoneError": (410, "Gone", "Ресурс больше не доступен."),
    "PreconditionFailedError": (412, "Precondition Failed", "Неверный диапазон."),
    "DiskFileTooLargeError": (413, "File is too large.", "Загрузка файла недоступна. Файл слишком большой."),
    "UnsupportedMediaTypeError": (415, "Unsupported Media Type", "Неподдерживаемый тип данных в теле запроса."),
    "DiskResourceLockedError": (423, 'Resource is locked "{}".', "Ресурс заблокирован «{}»."),
    "DiskReadOnlyError": (
        423,
        "Service is in read-only mode.",
        "Технические работы. Сейчас можно только просматривать и скачивать файлы.",
    ),
    "DiskUploadTrafficLimitExceeded": (
        423,
        "Upload traffic limit exceeded.",
        "Загрузка файлов недоступна. Достигнут лимит загрузок.",
    ),
    "TooManyRequestsError": (429, "Too Many Requests", "Слишком много запросов."),
    "DiskResourceDownloadLimitExceededError": (429, "Download limit exceeded.", "Достигнут лимит скачиваний."),
    "InternalServerError": (500, "Internal Server Error", "Внутренняя ошибка сервера."),
    "BadGatewayError": (502, "Bad Gateway", "Плохой шлюз."),
    "ServiceUnavailableError": (503, "Service Unavailable", "Сервис временно недоступен."),
    "GatewayTimeoutError": (504, "Gateway Timeout", "Шлюз не отвечает."),
    # The name is what a public client maps; nobody has published it.
    "DiskStorageQuotaExhaustedError": (507, "Storage quota exhausted.", "Недостаточно свободного места."),
    "BandwidthLimitExceededError": (509, "Bandwidth Limit Exceeded", "Превышен лимит трафика."),
}
# What each status is called when nobody says more.
USUAL = {status: name for name, (status, _, _) in reversed(ERRORS.items())}


class ApiError(Exception):
    """A request the API refuses.

    Args:
        name: A key of `ERRORS`.
        about: The path or field at fault.
        violation: What to record as a violation, if the client could have known; empty: nothing.
        status: Instead of the usual one.
    """

    def __init__(self, name: str, about: str = "", violation: str = "", status: int = 0):
        super().__init__(name)
        self.name = name
        self.about = about
        self.violation = violation
        self.status = status or ERRORS[name][0]

    def reply(self) -> Reply:
        """Return it as the API says it."""
        return error_reply(self.status, self.name, self.about)


def error_reply(status: int, name: str = "", about: str = "") -> Reply:
    """Return an error of the API.

    Args:
        status: HTTP status.
        name: What `error` is to say; empty: the usual for the status.
        about: The path or field at fault.
    """
    name = name or USUAL.get(status, "UnknownError" if status < 500 else "InternalServerError")
    _, description, message = ERRORS.get(name, (status, name, name))
    if about and "{}" not in description:
        description = f'{description[:-1]} "{about}".'
    return json_reply(
        {"message": message.format(about), "description": description.format(about), "error": name}, status
    )
